import Foundation
import Testing

extension EndToEnd {
  /// What the tokenizer of a model decides: the space before a continuation, the token before a text, and tokens that the
  /// network does not know.
  @Suite(.serialized) struct TokenizerRules {
    private static let text = "text/lighthouse.txt"

    private func evaluate(_ workspace: Workspace, _ model: String) throws -> (bos: String, perplexity: Double) {
      let outcome = try workspace.run(
        "evaluate", "--model", model, "--text", Self.text, "--window-length", "32", "--windows", "4", "--json"
      ).expectSuccess()
      let json = try outcome.json()
      let first = try #require((json["measurements"] as? [[String: Any]])?.first)
      return (try #require(json["bos"] as? String), try #require(first["perplexity"] as? Double))
    }

    private func edit(_ workspace: Workspace, _ path: String, _ change: (inout [String: Any]) throws -> Void) throws {
      try workspace.edit(path) { data in
        var object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        try change(&object)
        data = try JSONSerialization.data(withJSONObject: object)
      }
    }

    /// The texts are those of transformers and `tokenizers` (`Tests/Fixtures/make_generations.py`).
    @Test(arguments: ["llama-mha", "llama3-gqa"])
    func continuationsAreThoseOfTransformers(name: String) throws {
      let workspace = try Workspace(name)
      let data = try Data(contentsOf: Workspace.fixtures.appendingPathComponent("generations.json"))
      let recorded = try #require(JSONDecoder().decode([String: [String: String]].self, from: data)[name])
      #expect(recorded.count == 4)
      for (prompt, text) in recorded {
        let outcome = try workspace.run(
          "generate", "--model", "model", "--prompt", prompt, "--tokens", "12", "--temperature", "0"
        ).expectSuccess()
        #expect(outcome.output == text + "\n", "\(prompt)")
      }
    }

    /// `add_bos_token` and `bos_token` say otherwise, and neither export listens.
    @Test func bothExportsPutTheTokenOfTheTemplate() throws {
      let workspace = try Workspace("llama3-gqa")
      let before = try evaluate(workspace, "model")
      #expect(before.bos.contains("317"))
      try edit(workspace, "model/tokenizer_config.json") {
        $0["add_bos_token"] = false
        $0["bos_token"] = "<|eot_id|>"
      }
      #expect(try evaluate(workspace, "model") == before)
      try workspace.run(Workspace.search()).expectSuccess()
      try workspace.run(
        "export", "results/study", "--dtype", "f32", "--format", "hf", "--output", "out", "--format", "gguf",
        "--output",
        "out.gguf"
      ).expectSuccess()
      let (folder, file) = (try evaluate(workspace, "out"), try evaluate(workspace, "out.gguf"))
      #expect(folder.bos == before.bos && file.bos == before.bos)
      #expect(abs(folder.perplexity - file.perplexity) <= 1e-4 * folder.perplexity)
    }

    /// Every command refuses a text only where the token occurs.
    @Test func aTokenWithoutARowIsRefusedWhereItOccurs() throws {
      let workspace = try Workspace("llama3-gqa")
      let before = try evaluate(workspace, "model")
      try edit(workspace, "model/tokenizer.json") { json in
        var added = try #require(json["added_tokens"] as? [[String: Any]])
        var pad = try #require(added.last)
        pad["id"] = 320
        pad["content"] = "[PAD]"
        added.append(pad)
        json["added_tokens"] = added
      }
      #expect(try evaluate(workspace, "model") == before)
      let text = try workspace.text(Self.text)
      try workspace.write(text + "[PAD]" + text, to: "padded.txt")
      let words = ["'[PAD]'", "id 320", "320 rows"]
      for command in [
        ["evaluate", "--model", "model", "--text", "padded.txt", "--window-length", "32"],
        Workspace.search("--calibration", "padded.txt"),
        [
          "compare", "--model", "model", "--methods", "uniform", "--keep", "0.8", "--text", "padded.txt", "--output",
          "compared",
          "--window-length", "32",
        ],
        ["generate", "--model", "model", "--prompt", "a [PAD]", "--tokens", "2"],
      ] {
        let outcome = try workspace.run(command)
        #expect(outcome.code != 0, "\(outcome)")
        for word in words { #expect(outcome.errors.contains(word), "\(outcome)") }
      }
      try workspace.run(Workspace.search("--calibration", Self.text)).expectSuccess()
      let export = try workspace.run(
        "export", "results/study", "--dtype", "f32", "--format", "hf", "--output", "out", "--format", "gguf",
        "--output",
        "out.gguf"
      ).expectSuccess()
      #expect(export.errors.contains("'[PAD]' is left out"), "\(export)")
      let (folder, file) = (try evaluate(workspace, "out"), try evaluate(workspace, "out.gguf"))
      #expect(abs(folder.perplexity - file.perplexity) <= 1e-4 * folder.perplexity)
    }

    @Test func aFileWithoutAPreTokenizerIsWarnedOf() throws {
      let workspace = try Workspace("llama3-gqa")
      let file = "llama3-gqa/llama3-gqa.gguf"
      let command = ["evaluate", "--model", file, "--text", Self.text, "--window-length", "32", "--windows", "1"]
      let named = try workspace.run(command).expectSuccess()
      #expect(!named.errors.contains("tokenizer.ggml.pre"), "\(named)")
      try workspace.edit(file) { data in
        let key = try #require(data.range(of: Data("tokenizer.ggml.pre".utf8)))
        data.replaceSubrange(key, with: Data("tokenizer.ggml.prx".utf8))
      }
      let unnamed = try workspace.run(command).expectSuccess()
      #expect(unnamed.errors.components(separatedBy: "tokenizer.ggml.pre").count == 2, "\(unnamed)")
      #expect(unnamed.errors.contains(file) && unnamed.errors.contains("is missing"), "\(unnamed)")
    }

    @Test func slowTokenizersAreNamed() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.remove("model/tokenizer.json")
      try workspace.write("x", to: "model/tokenizer.model")
      try workspace.expectFailure(
        Workspace.search(), "model/tokenizer.json", "no such file", "tokenizer.model", "save_pretrained")
    }

    @Test func partsOfATokenizerAreKnownByTheirContent() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", to: "model/tokenizer.json")
      try workspace.expectFailure(Workspace.search(), "model/tokenizer.json", "Git LFS", "git lfs pull")
    }
  }
}
