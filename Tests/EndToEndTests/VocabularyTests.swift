import Foundation
import Testing

extension EndToEnd {
  @Suite(.serialized) struct VocabularyTests {
    private let text = "text/few-words.txt"

    private func workspace(_ name: String) throws -> Workspace {
      let workspace = try Workspace(name)
      let words = String(repeating: "The keeper climbed the stairs.\nThe river ran.\n", count: 12)
      try Data(words.utf8).write(to: workspace.folder.appendingPathComponent(text))
      return workspace
    }

    private func perplexity(_ model: String, in workspace: Workspace) throws -> (value: Double, tokens: Int) {
      let document = try workspace.run(
        "evaluate", "--model", model, "--text", text, "--window-length", "32", "--json"
      ).expectSuccess().json()
      let lines = try #require(document["measurements"] as? [[String: Any]])
      return (try #require(lines[0]["perplexity"] as? Double), try #require(lines[0]["tokens"] as? Int))
    }

    /// The text's own tokens stay, so that it is cut in the same way; fewer tokens share the probability.
    @Test(arguments: ["llama3-gqa", "llama-mha"])
    func dropsWhatATextDoesNotUse(name: String) throws {
      let workspace = try workspace(name)
      let dense = try perplexity("model", in: workspace)
      var values: [Double] = []
      for output in ["small", "small.gguf"] {
        let made = try workspace.run(
          "convert", "--model", "model", "--dtype", "f32", "--vocabulary", text, "--output", output, "--json"
        ).expectSuccess().json()
        let vocabulary = try #require(made["vocabulary"] as? [String: Any])
        let (before, after) = (vocabulary["parent_tokens"] as? Int ?? 0, vocabulary["tokens"] as? Int ?? 0)
        #expect(after < before && after > 256)
        #expect(try #require(vocabulary["saved_share"] as? Double) > 0)
        let trial = try #require(vocabulary["held_out"] as? [String: Any])
        #expect(try #require(trial["tokens"] as? Int) >= #require(trial["parent_tokens"] as? Int))
        let small = try perplexity(output, in: workspace)
        #expect(small.tokens == dense.tokens && small.value < dense.value)
        values.append(small.value)
      }
      #expect(abs(values[0] - values[1]) < 1e-4 * values[0])
      let record = try JSONSerialization.jsonObject(with: workspace.data("small/nas_search.json")) as? [String: Any]
      let vocabulary = try #require(record?["vocabulary"] as? [String: Any])
      let texts = try #require(vocabulary["texts"] as? [[String: Any]])
      #expect((texts[0]["sha256"] as? String)?.count == 64 && (vocabulary["kept_sha256"] as? String)?.count == 64)
    }

    @Test func aSubnetHasFewerTokensToo() throws {
      let workspace = try workspace("llama3-gqa")
      try workspace.run(
        "prune", "--model", "model", "--method", "magnitude", "--keep", "0.7", "--calibration-windows", "4",
        "--calibration-length", "32", "--fitness-windows", "2", "--fitness-length", "32", "--calibration", text,
        "--output", "subnet"
      ).expectSuccess()
      let result = try workspace.run(
        "convert", "--model", "subnet", "--vocabulary", text, "--held-out", "text/notes.jsonl", "--keep-tokens", "290",
        "--output", "small.gguf"
      ).expectSuccess()
      #expect(result.output.contains("vocabulary: 290 of ") && result.output.contains("the held-out text takes "))
      try workspace.run("convert", "--model", "small.gguf", "--output", "again").expectSuccess()
      let record = try JSONSerialization.jsonObject(with: workspace.data("again/nas_search.json")) as? [String: Any]
      let earlier = try #require((record?["earlier"] as? [String: Any])?["earlier"] as? [String: Any])
      #expect(earlier["method"] as? String == "magnitude")
      let known = ["evaluate", "--model", "again", "--text", text, "--window-length", "32"]
      #expect(try workspace.run(known).expectSuccess().errors.contains("was calibrated on"))
      try workspace.run("generate", "--model", "small.gguf", "--prompt", "The 世界", "--tokens", "4").expectSuccess()
    }

    /// What a command leaves of the tokens is what `convert` leaves of what the command writes with all of them.
    private func expectSameAsConvert(_ command: [String], in workspace: Workspace) throws {
      let vocabulary = ["--vocabulary", text, "--held-out", "text/notes.jsonl", "--dtype", "f32"]
      try workspace.run(command + ["--dtype", "f32", "--output", "whole", "--format", "hf"]).expectSuccess()
      try workspace.run(["convert", "--model", "whole", "--output", "converted"] + vocabulary).expectSuccess()
      let folder = command + vocabulary + ["--output", "small", "--format", "hf"]
      let made = try workspace.run(folder + ["--json"]).expectSuccess().json()
      for file in ["model.safetensors", "tokenizer.json"] {
        #expect(try workspace.data("small/\(file)") == workspace.data("converted/\(file)"), "\(file)")
      }
      try workspace.run(command + vocabulary + ["--output", "small.gguf", "--format", "gguf"]).expectSuccess()
      let values = try ["small", "small.gguf"].map { try perplexity($0, in: workspace).value }
      #expect(abs(values[0] - values[1]) < 1e-4 * values[0])

      let told = try #require(made["vocabulary"] as? [String: Any])
      let json = try JSONSerialization.jsonObject(with: workspace.data("small/nas_search.json")) as? [String: Any]
      let record = try #require(json?["vocabulary"] as? [String: Any])
      let measured = try #require(json?["measured"] as? [String: Any])
      #expect(measured["total_parameters"] as? Int == made["total_parameters"] as? Int)
      #expect((measured["on"] as? String)?.hasSuffix(", before tokens were dropped") == true)
      #expect((record["held_out"] as? [String: Any])?["text"] as? String == "the held-out text")
      let saved = try #require(told["saved_share"] as? Double)
      #expect(record["saved_share"] as? Double == saved)
      // Of the subnet's bytes: a larger share than of its parent's.
      let (before, after) = try (size("whole", in: workspace), size("small", in: workspace))
      #expect(abs(saved - (1 - after / before)) < 1e-9)
      let card = try workspace.text("small/README.md")
      #expect(card.contains("% of the weights' bytes. The held-out text takes "))
    }

    /// Bytes of the tensors of a folder.
    private func size(_ folder: String, in workspace: Workspace) throws -> Double {
      let data = try workspace.data("\(folder)/model.safetensors")
      let header = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
      return Double(data.count - 8 - header)
    }

    @Test func pruneDropsTokens() throws {
      let workspace = try workspace("llama3-gqa")
      let prune = [
        "prune", "--model", "model", "--method", "flap", "--keep", "0.7", "--calibration-windows", "4",
        "--calibration-length", "32", "--fitness-windows", "2", "--fitness-length", "32", "--calibration",
        "text/lighthouse.txt",
      ]
      try expectSameAsConvert(prune, in: workspace)
    }

    @Test func exportDropsTokens() throws {
      let workspace = try workspace("qwen3-tied")
      try workspace.run(Workspace.search(budget: "6")).expectSuccess()
      try expectSameAsConvert(["export", "results/study"], in: workspace)
    }

    @Test func badRequestsOfOtherCommands() throws {
      let workspace = try workspace("llama3-gqa")
      let prune = ["prune", "--model", "model", "--method", "magnitude", "--keep", "0.7", "--output", "out"]
      try workspace.expectFailure(prune + ["--keep-tokens", "10"], "10 tokens is too small")
      try workspace.expectFailure(prune + ["--held-out", text], "--held-out goes with", code: 64)
      try workspace.expectFailure(prune + ["--vocabulary", "nowhere.txt"], "nowhere.txt: no such file")
      try workspace.expectFailure(prune.dropLast(1) + [text, "--vocabulary", text, "--replace"], text)
      try workspace.run(Workspace.search(budget: "4")).expectSuccess()
      let export = ["export", "results/study", "--format", "hf", "--output", "out"]
      try workspace.expectFailure(export + ["--keep-tokens", "10"], "10 tokens is too small")
      try workspace.expectFailure(export + ["--point", "99", "--vocabulary", text], "no point '99'")
    }

    @Test func badRequestsSayWhy() throws {
      let workspace = try workspace("llama3-gqa")
      let convert = ["convert", "--model", "model", "--output", "out"]
      try workspace.expectFailure(convert + ["--keep-tokens", "10"], "10 tokens is too small")
      try workspace.expectFailure(convert + ["--keep-tokens", "0"], "--keep-tokens", code: 64)
      try workspace.expectFailure(convert + ["--held-out", text], "--held-out goes with", code: 64)
      try workspace.expectFailure(convert + ["--vocabulary", "nowhere.txt"], "nowhere.txt: no such file")
      try workspace.expectFailure(convert + ["--vocabulary", "self"], "self", code: 64)
      try FileManager.default.removeItem(at: workspace.folder.appendingPathComponent("model/tokenizer.json"))
      try workspace.expectFailure(convert + ["--vocabulary", text], "tokenizer.json")
    }
  }
}
