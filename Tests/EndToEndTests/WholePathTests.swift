import Foundation
import Studies
import Testing

extension EndToEnd {
  /// Searches, looks at the front, takes subnets away and measures them, as a user would.
  @Suite(.serialized) struct WholePath {
    @Test(arguments: [
      ("llama3-gqa", "NASMistralForCausalLM", "deci"), ("mistral-gqa", "NASMistralForCausalLM", "deci"),
      ("qwen2-bias", "NASMistralForCausalLM", "deci"), ("qwen3-tied", "NASQwen3ForCausalLM", "openelm"),
      ("phi3-fused", "NASMistralForCausalLM", "deci"), ("granite-tied", "NASMistralForCausalLM", "deci"),
    ])
    func fromModelToSubnet(_ model: String, _ folderArchitecture: String, _ fileArchitecture: String) throws {
      let workspace = try Workspace(model)
      let search = try workspace.run(Workspace.search("--keep", "0.8", budget: "30")).expectSuccess()
      #expect(search.output.contains("30 of 30 evaluations"))
      #expect(search.errors.contains("generation 1"))
      for file in ["calibration.json", "configuration.json", "front.csv", "front.json", "report.html", "study.db"] {
        #expect(workspace.exists("results/study/\(file)"), "\(file)")
      }
      #expect(!workspace.exists("results/study/study.db-wal"))
      for (file, schema) in [("calibration", "nas-search.calibration"), ("configuration", "nas-search.configuration")] {
        let document = try JSONSerialization.jsonObject(with: workspace.data("results/study/\(file).json"))
        #expect((document as? [String: Any])?["schema"] as? String == schema)
      }

      let front = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let points = try #require(front["front"] as? [[String: Any]])
      let best = try #require(points.first { $0["best"] as? Bool == true })
      #expect(try #require(best["keep_ratio"] as? Double) <= 0.8)

      // As a folder, as a file; with the repair that search used or a better one, and without.
      let repairedExport = try workspace.run(
        "export", "results/study", "--format", "hf", "--output", "out/hf", "--format", "gguf", "--output",
        "out/subnet.gguf", "--dtype", "f32", "--json"
      ).expectSuccess().json()
      let plain = try workspace.run(
        "export", "results/study", "--format", "hf", "--output", "out/plain", "--repair", "none", "--json"
      ).expectSuccess().json()
      let written = try checkpoints(repairedExport)
      #expect(written.map { $0["output"] as? String } == ["out/hf", "out/subnet.gguf"])
      #expect(written.map { $0["architecture"] as? String } == [folderArchitecture, fileArchitecture])
      #expect(try checkpoints(plain).count == 1)
      #expect(plain["repair"] as? String == "none")
      let nested = try workspace.run(
        "export", "results/study", "--format", "hf", "--output", "out/nested", "--repair", "nested", "--json"
      ).expectSuccess().json()
      #expect(nested["repair"] as? String == "nested")
      let judged = try #require(best["kl"] as? Double)
      #expect(abs(try #require(nested["kl"] as? Double) - judged) <= 1e-4 * judged)
      let repaired = try #require(repairedExport["kl"] as? Double)
      #expect(repaired <= judged)

      // Both exports are the same network.
      func evaluate(_ model: String, _ more: String...) throws -> [String: Any] {
        let command = [
          "evaluate", "--model", model, "--text", "text/lighthouse.txt", "--window-length", "64", "--json",
        ]
        return try workspace.run(command + more).expectSuccess().json()
      }
      let measured = try perplexities(evaluate("out/hf")) + perplexities(evaluate("out/subnet.gguf"))
      #expect(measured.count == 2 && abs(measured[0] / measured[1] - 1) < 1e-4, "\(measured)")
      let against = try evaluate("out/hf", "--dense", "model", "--windows", "8")
      let line = try #require((against["measurements"] as? [[String: Any]])?.first)
      #expect(line["windows"] as? Int == 8)
      #expect(line["tokens"] as? Int == 512)
      #expect(try #require(line["kl"] as? Double) > 0)
      #expect((0...1).contains(try #require(line["top1_agreement"] as? Double)))
      let text = try workspace.run("generate", "--model", "out/hf", "--prompt", "The lamp", "--tokens", "5")
      #expect(text.expectSuccess().output.hasPrefix("The lamp"))
    }

    /// The first objective decides which point is the best, whether it is to be small or large.
    @Test(arguments: [("perplexity", "minimize", "best perplexity"), ("top1_agreement", "maximize", "best top-1")])
    func theFirstObjectiveDecides(_ objective: String, _ direction: String, _ words: String) throws {
      let workspace = try Workspace("llama-mha")
      let search = try workspace.run(
        Workspace.search("--keep", "0.8", "--objectives", "\(objective),bytes", budget: "16")
      ).expectSuccess()
      #expect(search.errors.contains(words))
      let report = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let study = try #require(report["study"] as? [String: Any])
      let objectives = try #require(study["objectives"] as? [[String: Any]])
      #expect(objectives.map { $0["name"] as? String } == [objective, "bytes"])
      #expect(objectives.map { $0["direction"] as? String } == [direction, "minimize"])
      let points = try #require(report["front"] as? [[String: Any]])
      let best = try #require(points.first { $0["best"] as? Bool == true }?[objective] as? Double)
      let values = try points.map { try #require($0[objective] as? Double) }
      #expect(best == (direction == "maximize" ? values.max() : values.min()))
      for point in points { #expect(point["bytes"] as? Int == 2 * (point["total_parameters"] as? Int ?? 0)) }
      let trials = try Study.open(.folder(workspace.url("results/study")), access: .inspect)
      #expect(trials.directions == [direction == "maximize" ? .maximize : .minimize, .minimize])
      try trials.close()
    }

    private func checkpoints(_ export: [String: Any]) throws -> [[String: Any]] {
      try #require(export["checkpoints"] as? [[String: Any]])
    }

    private func perplexities(_ evaluation: [String: Any]) throws -> [Double] {
      try (#require(evaluation["measurements"] as? [[String: Any]])).map { try #require($0["perplexity"] as? Double) }
    }

    @Test func evaluationFields() throws {
      let workspace = try Workspace("mistral-gqa")
      let result = try workspace.run(
        "evaluate", "--model", "model", "--text", "text/lighthouse.txt", "text/notes.jsonl", "--window-length", "64,32",
        "--windows", "5", "--json"
      ).expectSuccess().json()
      #expect(result["schema"] as? String == "nas-search.evaluate")
      #expect(result["version"] as? Int == 1)
      let lines = try #require(result["measurements"] as? [[String: Any]])
      let expected = [("lighthouse.txt", 64), ("lighthouse.txt", 32), ("notes.jsonl", 64), ("notes.jsonl", 32)]
      #expect(lines.count == expected.count)
      for (line, (file, window)) in zip(lines, expected) {
        #expect(line["file"] as? String == "text/\(file)")
        #expect(line["window"] as? Int == window)
        #expect(line["windows"] as? Int == 5)
        #expect(line["tokens"] as? Int == 5 * window)
        let perplexity = try #require(line["perplexity"] as? Double)
        let loss = try #require(line["mean_nll"] as? Double)
        #expect(perplexity > 1 && abs(log(perplexity) - loss) < 1e-9)
        #expect(line["kl"] is NSNull)
      }
      let text = try workspace.run(
        "evaluate", "--model", "model", "--text", "text/lighthouse.txt", "--window-length", "64", "--windows", "5"
      ).expectSuccess().output
      let shown = try #require(lines[0]["perplexity"] as? Double)
      #expect(text.contains("window 64, 5 windows, 320 tokens: perplexity \(String(format: "%.4f", shown))"))
      // A model beside itself.
      let itself = try workspace.run(
        "evaluate", "--model", "model", "--text", "text/lighthouse.txt", "--window-length", "64", "--windows", "5",
        "--dense",
        "mistral-gqa", "--json"
      ).expectSuccess().json()
      let line = try #require((itself["measurements"] as? [[String: Any]])?.first)
      #expect(try #require(line["kl"] as? Double) < 1e-5)
      #expect(line["top1_agreement"] as? Double == 1)
    }

    // MARK: Calibration

    @Test func severalCalibrationSets() throws {
      let workspace = try Workspace("llama3-gqa")
      let search = Workspace.search(
        "--keep", "0.8", "--calibration", "text/lighthouse.txt", "--calibration", "text/notes.jsonl", budget: "40")
      try workspace.run(search).expectSuccess()
      let stored = try Study.open(.folder(workspace.url("results/study")), access: .inspect).trials()
      #expect(
        Set(stored.compactMap { $0.attributes["calibration_name"] }) == ["\"lighthouse\"", "\"mix\"", "\"notes\""])
      #expect(Set(stored.compactMap { $0.attributes["score_name"] }) == ["\"flap\"", "\"obs\"", "\"obs-loss\""])
      let export = ["export", "results/study", "--format", "hf", "--output", "hf"]
      try workspace.run(export).expectSuccess()
      // What a subnet was calibrated on flatters it; other text does not.
      try workspace.write(try workspace.text("text/lighthouse.txt") + "The end.\n", to: "other.txt")
      let evaluate = ["evaluate", "--model", "hf", "--window-length", "32", "--windows", "2", "--text"]
      let result = try workspace.run(evaluate + ["text/lighthouse.txt", "other.txt"]).expectSuccess()
      #expect(result.errorLines.filter { $0.hasPrefix("warning: ") }.count == 1)
      #expect(result.errors.contains("lighthouse.txt is the text that this subnet was calibrated on"))
    }

    @Test func calibrationOnATextFile() throws {
      let workspace = try Workspace("qwen2-bias")
      let search = Workspace.search("--calibration", "text/lighthouse.txt", budget: "8")
      #expect(try workspace.run(search).expectSuccess().output.contains("lighthouse: 8 windows of 64 tokens"))
      // The statistics are kept for the next study.
      let cached = workspace.cache
      // Those of activations, and those of gradients for the error curves.
      #expect(cached.count == 2)
      let again = Workspace.search("--calibration", "text/lighthouse.txt", budget: "8", study: "second")
      #expect(!(try workspace.run(again).expectSuccess().errors.contains("statistics of")))
      #expect(workspace.cache == cached)
      #expect(try workspace.data("second/front.csv") == workspace.data("results/study/front.csv"))
    }

    @Test func anotherField() throws {
      let workspace = try Workspace("llama3-gqa")
      let notes = try workspace.text("text/notes.jsonl").replacingOccurrences(of: "\"text\":", with: "\"body\":")
      try workspace.write(notes, to: "notes.jsonl")
      try workspace.run(
        Workspace.search("--calibration", "notes.jsonl", "--field", "body", budget: "4")
      ).expectSuccess()
      try workspace.run(
        Workspace.search("--calibration", "text/notes.jsonl", budget: "4", study: "second")
      ).expectSuccess()
      #expect(try workspace.data("second/front.csv") == workspace.data("results/study/front.csv"))
    }

    // MARK: Targets and spaces

    @Test(arguments: [["--params", "30K"], ["--size", "60KB"], ["--keep", "0.6"]])
    func targets(_ target: [String]) throws {
      let workspace = try Workspace("llama3-gqa")
      let result = try workspace.run(Workspace.search(budget: "20") + target + ["--json"]).expectSuccess().json()
      let points = try #require(result["front"] as? [[String: Any]])
      let study = try #require(result["model"] as? [String: Any])
      let outer = try #require(study["total_parameters"] as? Int) - (try #require(study["block_parameters"] as? Int))
      for point in points {
        let block = try #require(point["block_parameters"] as? Int)
        switch target[0] {
        case "--params": #expect(block + outer <= 30_000)
        case "--size": #expect(2 * (block + outer) <= 60_000)
        default: #expect(Double(block) <= 0.6 * 27_840)
        }
      }
      #expect(!points.isEmpty)
    }

    @Test(arguments: [
      ("llama3-gqa", "MistralForCausalLM", ["llama"]), ("qwen2-bias", "Qwen2ForCausalLM", ["llama", "qwen2"]),
      ("gemma3-local", "Gemma3ForCausalLM", ["gemma3"]), ("glm4-norms", "Glm4ForCausalLM", ["glm4"]),
      ("qwen3moe-six", "Qwen3MoeForCausalLM", ["qwen3moe"]), ("mixtral-four", "MixtralForCausalLM", ["llama"]),
    ])
    func uniformSpace(_ model: String, _ folderArchitecture: String, _ fileArchitectures: [String]) throws {
      let workspace = try Workspace(model)
      let description = try workspace.run("describe", "uniform", "--model", "model").expectSuccess().output
      for word in ["layers.attention: 1 to 2", "layers.mlp:", "score: wanda-sp, llm-bip", "size: 10^", "cost:"] {
        #expect(description.contains(word), "\(word) in \(description)")
      }
      try workspace.run(Workspace.search("--space", "uniform", budget: "20")).expectSuccess()
      func export(_ more: String..., format: String, output: String) throws -> [String: Any] {
        let command = ["export", "results/study", "--format", format, "--output", output, "--json"]
        return try workspace.run(command + more).expectSuccess().json()
      }
      let folder = try checkpoints(export("--point", "knee", format: "hf", output: "knee"))[0]
      #expect(folder["architecture"] as? String == folderArchitecture)
      #expect(folder["needs_remote_code"] as? Bool == false)
      let file = try export("--keep", "0.7", "--dtype", "bf16", format: "gguf", output: "small.gguf")
      #expect(fileArchitectures.contains(try checkpoints(file)[0]["architecture"] as? String ?? ""))
      #expect(try #require(file["keep_ratio"] as? Double) <= 0.7)
      for model in ["knee", "small.gguf"] {
        try workspace.run("evaluate", "--model", model, "--text", "text/lighthouse.txt", "--window-length", "64")
          .expectSuccess()
      }
    }

    @Test func everyPointAndReplacing() throws {
      let workspace = try Workspace("mistral-gqa")
      try workspace.run(Workspace.search(budget: "40")).expectSuccess()
      let report = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let points = try #require(report["front"] as? [[String: Any]])
      #expect(points.count > 2)
      var sizes: [Int] = []
      for index in points.indices {
        let replace = index > 0 ? ["--replace"] : []
        for (format, output) in [("hf", "out"), ("gguf", "out.gguf")] {
          let command = ["export", "results/study", "--point", "\(index)", "--format", format, "--output", output]
          let result = try workspace.run(command + replace + ["--json"]).expectSuccess().json()
          #expect(result["point"] as? Int == index)
          #expect(result["keep_ratio"] as? Double == points[index]["keep_ratio"] as? Double)
          if format == "hf" { sizes.append(try #require(result["total_parameters"] as? Int)) }
        }
      }
      #expect(sizes == sizes.sorted(by: >))
      let left = try FileManager.default.contentsOfDirectory(atPath: workspace.folder.path).sorted()
      #expect(left == ["mistral-gqa", "model", "out", "out.gguf", "results", "text"])
    }

    @Test func fromGGUF() throws {
      let workspace = try Workspace("llama-mha")
      // The default folder of a study is named after model and space.
      let folder = Array(Workspace.search(model: "model/llama-mha.gguf", budget: "6").filter { $0 != "--study" })
      try workspace.run(folder.filter { $0 != "results/study" }).expectSuccess()
      let study = "runs/llama-mha-widths"
      #expect(workspace.exists(study + "/study.db"))
      // The folder and the file hold the same numbers: the same search.
      try workspace.run(Workspace.search(budget: "6")).expectSuccess()
      #expect(try workspace.data(study + "/front.csv") == workspace.data("results/study/front.csv"))
      for (format, output) in [("hf", "out"), ("gguf", "out.gguf")] {
        try workspace.run("export", study, "--format", format, "--output", output).expectSuccess()
      }
    }

    // MARK: Reports and lists

    @Test func reports() throws {
      let workspace = try Workspace("llama3-gqa")
      let search = try workspace.run(Workspace.search("--keep", "0.8")).expectSuccess()
      let table = try workspace.run("report", "results/study").expectSuccess()
      #expect(table.output == search.output)
      #expect(table.errors.isEmpty)
      for word in ["dense", "uniform, no repair", "uniform, repaired", "best", "Export:"] {
        #expect(table.output.contains(word), "\(word)")
      }
      let files = ["front.csv", "front.json", "report.html"]
      let written = try files.map { try workspace.data("results/study/\($0)") }
      for file in files { try workspace.remove("results/study/\(file)") }
      try workspace.run("report", "results/study", "--html").expectSuccess()
      for (file, data) in zip(files, written) {
        #expect(try workspace.data("results/study/\(file)") == data, "\(file)")
      }
      let json = try workspace.run("report", "results/study", "--json").expectSuccess()
      #expect(Data(json.output.utf8) == written[1])
      let again = try workspace.run(Workspace.search("--keep", "0.8") + ["--json"]).expectSuccess()
      #expect(again.output == json.output)
    }

    /// The example in the documentation of search spaces is one.
    @Test func documentedSpace() throws {
      let workspace = try Workspace("llama3-gqa")
      let readme = Workspace.fixtures.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("search-spaces/README.md")
      let parts = try String(contentsOf: readme, encoding: .utf8).components(separatedBy: "```")
      let example = try #require(parts.first { $0.hasPrefix("yaml\n") }).dropFirst(5)
      try workspace.write(String(example), to: "careful.yaml")
      let genes = try workspace.run("describe", "careful.yaml", "--model", "model").expectSuccess().output
      #expect(genes.contains("layers.0.attention: 2 to 2"))
      #expect(genes.contains("layers.1.attention: 1 to 2"))
    }

    /// A copy of the program elsewhere, without an environment, has its search spaces, its completions, and its help.
    @Test func aCopyElsewhereNeedsNothing() throws {
      let workspace = try Workspace("llama3-gqa")
      let alone = #"mkdir -p far/bin far/empty && cp "$0" far/bin/ && cd far/empty && env -i ../bin/nas-search "$@""#
      let spaces = try workspace.run(["spaces"], through: alone).expectSuccess().output
      for space in ["widths", "uniform", "blocks", "joint", "example"] { #expect(spaces.contains(space + "\t")) }
      try workspace.run(["describe", "widths", "--model", "../../model"], through: alone).expectSuccess()
      for shell in ["bash", "zsh", "fish"] {
        let script = try workspace.run(["--generate-completion-script", shell], through: alone).expectSuccess().output
        #expect(script.contains("nas-search") && script.contains("export"), "\(shell)")
      }
      #expect(try workspace.run(["--experimental-dump-help"], through: alone).expectSuccess().json()["command"] != nil)
    }

    @Test func lists() throws {
      let workspace = try Workspace("llama3-gqa")
      #expect(try workspace.run("spaces").expectSuccess().output.contains("widths\t"))
      let widths = try workspace.run("spaces", "widths").expectSuccess().output
      try workspace.write(widths, to: "mine.yaml")
      let genes = try workspace.run("describe", "mine.yaml", "--model", "model").expectSuccess().output
      #expect(try workspace.run("describe", "widths", "--model", "model").output == genes)
      let scores = try workspace.run("scores").expectSuccess().output
      for score in ["wanda-sp", "llm-bip", "magnitude-l2", "random"] { #expect(scores.contains(score + "\t")) }
      let first = try workspace.run("generate", "--model", "model", "--prompt", "A", "--tokens", "8", "--seed", "3")
      let second = try workspace.run("generate", "--model", "model", "--prompt", "A", "--tokens", "8", "--seed", "3")
      #expect(first.expectSuccess().output == second.output)
    }
  }
}
