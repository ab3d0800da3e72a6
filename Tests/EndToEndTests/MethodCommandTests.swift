import Foundation
import LinearAlgebra
import Studies
import Testing

extension EndToEnd {
  /// `methods`, `prune` and `compare` as a user runs them.
  @Suite(.serialized) struct MethodCommands {
    private static let text = [
      "--calibration", "text/lighthouse.txt", "--calibration-windows", "8", "--calibration-length", "32",
      "--fitness-windows", "4", "--fitness-length", "16",
    ]

    private func prune(_ method: String, _ output: String, _ more: String..., keep: String = "0.7") -> [String] {
      ["prune", "--model", "model", "--method", method, "--keep", keep, "--output", output] + Self.text + more
    }

    private func compare(_ methods: String, _ more: String...) -> [String] {
      [
        "compare", "--model", "model", "--methods", methods, "--keep", "0.9,0.6", "--text", "text/notes.jsonl",
        "text/lighthouse.txt", "--window-length", "32", "--windows", "3", "--output", "results/compare",
      ] + Self.text + more
    }

    @Test func methodsListsPaperNeedsAndSettings() throws {
      let listed = try Workspace().run("methods").expectSuccess().output
      for words in ["llm-pruner\t", "2305.11627", "needs gradients", "needs forward passes only", "  gamma=3\t"] {
        #expect(listed.contains(words), "\(words)")
      }
    }

    @Test(arguments: [
      "flap", "llm-pruner", "nirvana", "wanda-sp", "numerical", "grail", "modegpt",
    ])
    func pruneWritesWhatItMeasured(method: String) throws {
      let workspace = try Workspace("llama3-gqa")
      let more = method == "nirvana" ? ["--set", "trials=2", "--set", "length=16", "--set", "step=4"] : []
      let result = try workspace.run(prune(method, "out/a.gguf", "--dtype", "f32", "--json") + more).expectSuccess()
        .json()
      #expect(result["method"] as? String == method && result["schema"] as? String == "nas-search.prune")
      let keep = try #require(result["keep_ratio"] as? Double)
      #expect(keep <= 0.7 && keep > 0.5)
      #expect(try #require(result["kl"] as? Double) > 0 && (result["peak_memory_bytes"] as? Int ?? 0) > 0)
      // The folder is the same network, and says how it was made.
      try workspace.run(prune(method, "out/hf", "--dtype", "f32") + more).expectSuccess()
      func perplexity(_ model: String) throws -> Double {
        let measured = try workspace.run(
          "evaluate", "--model", model, "--text", "text/notes.jsonl", "--window-length", "32", "--json"
        ).expectSuccess().json()
        return try #require((measured["measurements"] as? [[String: Any]])?.first?["perplexity"] as? Double)
      }
      let values = try [perplexity("out/a.gguf"), perplexity("out/hf")]
      #expect(abs(values[0] / values[1] - 1) < 1e-4, "\(values)")
      let data = try workspace.data("out/hf/nas_search.json")
      let record = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
      #expect(record["method"] as? String == method)
      #expect((record["kept"] as? [Any])?.isEmpty == false)
    }

    /// `ours` is what a search and its export do: the same candidates, the same choice, the same weights to the last bit.
    @Test(arguments: [[String](), ["--calibration", "self"]])
    func oursIsWhatSearchAndExportDo(more: [String]) throws {
      let workspace = try Workspace("llama3-gqa")
      let text = ["--calibration", "text/lighthouse.txt"] + more
      let search = Workspace.search("--keep", "0.7", budget: "24") + text
      try workspace.run(search).expectSuccess()
      let export = ["export", "results/study", "--format", "hf", "--output", "exported", "--dtype", "f32", "--json"]
      let exported = try workspace.run(export).expectSuccess().json()
      let windows = Array(Workspace.search()[6...]) + text
      let pruned = try workspace.run(
        ["prune", "--model", "model", "--method", "ours", "--keep", "0.7", "--set", "evaluations=24", "--dtype", "f32"]
          + windows + ["--output", "pruned", "--json"]
      ).expectSuccess().json()
      for file in ["model.safetensors", "config.json"] {
        #expect(try workspace.data("exported/\(file)") == workspace.data("pruned/\(file)"), "\(file)")
      }
      #expect(exported["repair"] as? String == pruned["repair"] as? String)
      #expect(exported["kl"] as? Double == pruned["kl"] as? Double)
      // Another seed ends elsewhere: the two are not equal by chance.
      try workspace.run(search.map { $0 == "results/study" ? "results/other" : $0 } + ["--seed", "1"]).expectSuccess()
      try workspace.run(export.map { ["results/study": "results/other", "exported": "other"][$0] ?? $0 })
        .expectSuccess()
      #expect(try workspace.data("other/model.safetensors") != workspace.data("pruned/model.safetensors"))
      let compared = try workspace.run(
        ["compare", "--model", "model", "--methods", "ours", "--keep", "0.7", "--evaluations", "24"] + windows
          + [
            "--text", "text/notes.jsonl", "--window-length", "32", "--windows", "3", "--output", "results/compare",
            "--json",
          ]
      ).expectSuccess().json()
      let cell = try #require((compared["cells"] as? [[String: Any]])?.first { $0["method"] as? String == "ours" })
      #expect(cell["kl"] as? Double == pruned["kl"] as? Double)
    }

    /// Rounds too: what an export gathers again, from the cache or anew, is what the search had.
    @Test func roundsOfSearchAndExportAreThoseOfOurs() throws {
      let workspace = try Workspace("llama3-gqa")
      let text = ["--calibration", "text/lighthouse.txt"]
      try workspace.run(Workspace.search("--keep", "0.6", "--rounds", "2", budget: "8") + text).expectSuccess()
      func export(_ output: String, _ more: String...) throws -> Data {
        try workspace.run(
          ["export", "results/study", "--format", "hf", "--output", output, "--dtype", "f32"] + more
        ).expectSuccess()
        return try workspace.data("\(output)/model.safetensors")
      }
      func pruned(_ output: String, _ more: String...) throws -> Data {
        try workspace.run(
          [
            "prune", "--model", "model", "--method", "ours", "--keep", "0.6", "--set", "evaluations=8", "--dtype",
            "f32",
            "--output", output,
          ] + Array(Workspace.search()[6...]) + text + more
        ).expectSuccess()
        return try workspace.data("\(output)/model.safetensors")
      }
      let (known, anew) = (try export("known"), try export("anew", "--cache", "other-cache"))
      #expect(known == anew)
      #expect(try known == pruned("two", "--set", "rounds=2"))
      #expect(try known != pruned("one"))
      try workspace.expectFailure(Workspace.search("--rounds", "2") + text, "--rounds above 1", "--keep", code: 64)
    }

    /// llama.cpp has no architecture for heads with norms, widths per layer and an output head of its own: a method that makes such
    /// widths is refused before it looks at the text, one that does not is not.
    @Test func formatsThatCannotHoldTheSubnetAreRefusedAtOnce() throws {
      let workspace = try Workspace("qwen3-odd")
      try workspace.expectFailure(
        prune("flap", "out/a.gguf"), "'openelm' takes layers of different widths", "a head of its own")
      #expect(!workspace.exists("out/a.gguf"))
      try workspace.run(prune("flap", "out/hf")).expectSuccess()
      try workspace.run(prune("magnitude", "out/b.gguf")).expectSuccess()
      #expect(workspace.exists("out/b.gguf"))
    }

    @Test func badRequestsToPrune() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(prune("wanda", "out"), "unknown method 'wanda'", "wanda-sp, ")
      try workspace.expectFailure(prune("nirvana", "out", "--set", "gama=3"), "no setting 'gama'", "gamma")
      try workspace.expectFailure(prune("nirvana", "out", "--set", "gamma=no"), "'gamma' of 'nirvana'", "'no'")
      try workspace.expectFailure(prune("random", "out", "--set", "step"), "name=value", "'step'")
      try workspace.expectFailure(prune("flap", "out", keep: "0.01"), "'flap' cannot keep as little as 0.0", "smallest")
      try workspace.expectFailure(prune("flap", "out", keep: "1.5"), "--keep is a share", code: 64)
      try workspace.expectFailure(prune("flap", "text"), "text")
    }

    @Test func compareMeasuresShowsAndResumes() throws {
      let workspace = try Workspace("llama3-gqa")
      let first = try workspace.run(compare("wanda-sp,numerical")).expectSuccess()
      for words in ["wanda-sp", "numerical", "uniform", "notes", "lighthouse (calibrated on)", "90"] {
        #expect(first.output.contains(words), "\(words)")
      }
      #expect(first.errors.contains("6/6"))
      for name in ["comparison.csv", "comparison.json", "comparison.html", "calibration.json", "comparison.state.json"]
      {
        #expect(workspace.exists("results/compare/\(name)"), "\(name)")
      }
      // Resumed: nothing is measured again, and what is shown is the same.
      let again = try workspace.run(compare("wanda-sp,numerical", "--json")).expectSuccess()
      #expect(again.output == (try workspace.text("results/compare/comparison.json")))
      let json = try again.json()
      #expect(json["schema"] as? String == "nas-search.compare")
      // One cell taken away is the one that is measured.
      let before = try workspace.text("results/compare/comparison.csv")
      try workspace.edit("results/compare/comparison.state.json") { data in
        var state = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        var comparison = try #require(state["comparison"] as? [String: Any])
        var cells = try #require(comparison["cells"] as? [[String: Any]])
        #expect(cells.count == 6)
        cells.removeLast()
        comparison["cells"] = cells
        state["comparison"] = comparison
        data = try JSONSerialization.data(withJSONObject: state)
      }
      let resumed = try workspace.run(compare("wanda-sp,numerical")).expectSuccess()
      #expect(resumed.errors.contains("resuming: 5 measurements") && resumed.errors.contains("6/6"))
      func measured(_ csv: String) -> [[Substring]] {
        // Method, sizes, text and perplexity: not the seconds and the memory.
        csv.split(separator: "\n").map { Array($0.split(separator: ",", omittingEmptySubsequences: false).prefix(8)) }
      }
      #expect(measured(try workspace.text("results/compare/comparison.csv")) == measured(before))
      // More methods and sizes go on in the same folder; fewer, or other settings, do not.
      var more = compare("wanda-sp,numerical,flap")
      more[more.firstIndex(of: "0.9,0.6") ?? 0] = "0.9,0.6,0.7"
      let grown = try workspace.run(more).expectSuccess()
      #expect(grown.errors.contains("resuming: 6 measurements") && grown.errors.contains("12/12"))
      #expect(try workspace.text("results/compare/winners.md").contains("70"))
      try workspace.expectFailure(compare("wanda-sp"), "results/compare", "compares 'numerical' too")
      try workspace.expectFailure(compare("wanda-sp,numerical,flap"), "sizes that are not asked for")
      try workspace.expectFailure(more + ["--set", "flap.repair=nested"], "'flap' has other settings")
      try workspace.expectFailure(
        more + ["--seed", "3"], "made with other settings: seed was 0, now 3; choose another --output")
    }

    @Test func aMethodThatCannotIsSaidInItsCell() throws {
      let workspace = try Workspace("llama3-gqa")
      var command = compare("llm-pruner", "--set", "llm-pruner.protect-first=9")
      command[command.firstIndex(of: "0.9,0.6").map { $0 } ?? 0] = "0.9,0.3"
      let result = try workspace.run(command + ["--json"]).expectSuccess().json()
      let cells = try #require(result["cells"] as? [[String: Any]])
      let failed = cells.filter { $0["failure"] is String }
      #expect(failed.count == 1 && (failed[0]["failure"] as? String)?.contains("'llm-pruner' cannot keep") == true)
    }

    @Test func badRequestsToCompare() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(compare("wanda-sp,nope"), "unknown method 'nope'")
      try workspace.expectFailure(
        compare("wanda-sp", "--set", "flap.repair=nested"), "flap.repair=nested", "methods compared")
      try workspace.expectFailure(compare("flap", "--set", "flap.repair=no"), "'repair' of 'flap'")
      try workspace.expectFailure(compare("flap", "--text", "nowhere.txt"), "nowhere.txt", "no such file")
      try workspace.expectFailure(compare("flap", "--window-length", "100000"), "too short")
      try workspace.expectFailure(
        ["compare", "--model", "model", "--keep", "0.5,0.5", "--text", "text/lighthouse.txt"], "--keep is a list",
        code: 64)
    }

    /// Scores that need gradients are genes like any other.
    @Test func gradientScoresInASearch() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write(
        """
        name: taylor
        summary: scores from gradients
        layers: each
        attention: {minimum: 1, step: 1}
        mlp: {minimum: 0.25, step: auto}
        scores: [llm-pruner-first, "llm-pruner-mix:max", nirvana]
        calibration: [each, mix]
        keep: [0.5, 1.0]
        """, to: "taylor.yaml")
      let search = Workspace.search(
        "--space", "taylor.yaml", "--calibration", "text/lighthouse.txt", "--calibration", "self")
      let result = try workspace.run(search).expectSuccess()
      #expect(result.errors.contains("gradients on 'mix'") && result.output.contains("12 of 12 evaluations"))
      let export = ["export", "results/study", "--format", "gguf", "--output", "out.gguf"]
      try workspace.run(export).expectSuccess()
    }

    /// `--scores` replaces the scores of the space: in the search, in its report's command, and in what resumes it.
    @Test func scoresOfTheCommandLine() throws {
      let workspace = try Workspace("llama3-gqa")
      let search = Workspace.search("--aim", "0.8", "--scores", "flap,wanda-sp")
      let first = try workspace.run(search + ["--json"]).expectSuccess()
      #expect(
        try String(contentsOf: workspace.url("results/study/report.html"), encoding: .utf8)
          .contains("--scores flap,wanda-sp --aim 0.8"))
      #expect(!first.output.contains("obs"))
      #expect(try workspace.run(search + ["--json"]).expectSuccess().output == first.output)
    }

    /// Whole modules can go in `blocks`, and what is left exports.
    @Test func blocksMayGo() throws {
      let workspace = try Workspace("llama3-gqa")
      let genes = try workspace.run("describe", "blocks", "--model", "model").expectSuccess().output
      #expect(genes.contains("layers.0.attention: 1 to 2") && genes.contains("layers.1.attention: 0 to 2"))
      try workspace.run(Workspace.search("--space", "blocks", "--keep", "0.5", "--scores", "flap")).expectSuccess()
      try workspace.run("export", "results/study", "--format", "gguf", "--output", "out.gguf").expectSuccess()
    }

    /// Groups that keep one of their two query heads, in a search and in `solve`, exported in both formats.
    @Test func thinnedQueries() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write("name: thin\nattention:\n  queries: 1\nkeep: [0.4, 0.8]\n", to: "thin.yaml")
      try workspace.run(Workspace.search("--space", "thin.yaml")).expectSuccess()
      let export = [
        "export", "results/study", "--format", "gguf", "--output", "out.gguf", "--format", "hf", "--output",
      ]
      try workspace.run(export + ["out"]).expectSuccess()
      let record = try #require(
        JSONSerialization.jsonObject(with: workspace.data("out/nas_search.json")) as? [String: Any])
      let kept = try #require(record["kept"] as? [[String: Any]])
      #expect(kept.allSatisfy { ($0["query_heads"] as? [[Int]])?.allSatisfy { $0.count == 1 } ?? false })
      let solve = ["solve", "--model", "model", "--keep", "0.6"] + Self.text
      let result = try workspace.run(solve + ["--queries", "1", "--json", "--output", "thin"]).expectSuccess().json()
      let answer = try #require((result["answers"] as? [[String: Any]])?.first)
      #expect(answer["queries_per_group"] as? Int == 1)
      let measured = try workspace.run(
        "evaluate", "--model", "thin", "--text", "text/notes.jsonl", "--window-length", "32", "--json"
      ).expectSuccess().json()
      #expect(
        (measured["model"] as? [String: Any])?["block_parameters"] as? Int == answer["block_parameters"] as? Int)
      try workspace.run(solve + ["--queries", "all,1"]).expectSuccess()
      try workspace.expectFailure(solve + ["--queries", "2"], "one must go")
      try workspace.expectFailure(solve + ["--queries", "0"], "--queries", code: 64)
    }

    /// One set of curves answers any number of budgets, and each subnet can be taken away.
    @Test func solveAnswersManyBudgets() throws {
      let workspace = try Workspace("llama3-gqa")
      let command = ["solve", "--model", "model", "--keep", "0.9,0.7,0.5"] + Self.text
      let result = try workspace.run(command + ["--measure", "--output", "out", "--json"]).expectSuccess().json()
      let answers = try #require(result["answers"] as? [[String: Any]])
      #expect(answers.count == 3)
      let errors = answers.compactMap { $0["predicted_error"] as? Double }
      #expect(errors.count == 3 && errors == errors.sorted())
      for (answer, keep) in zip(answers, [0.9, 0.7, 0.5]) {
        let ratio = try #require(answer["keep_ratio"] as? Double)
        #expect(ratio <= keep && ratio > keep - 0.15)
        let measured = try workspace.run(
          "evaluate", "--model", "out/keep-\(keep)", "--text", "text/notes.jsonl", "--window-length", "32", "--json"
        ).expectSuccess().json()
        let model = try #require(measured["model"] as? [String: Any])
        #expect(model["block_parameters"] as? Int == answer["block_parameters"] as? Int)
      }
      func predicted(_ windows: String) throws -> [Double] {
        let result = try workspace.run(command + ["--gradient-windows", windows, "--json"]).expectSuccess().json()
        return try #require(result["answers"] as? [[String: Any]]).compactMap { $0["predicted_error"] as? Double }
      }
      #expect(try predicted("16") == errors && predicted("1") != errors)
      // The energy of the residual stream needs no gradients; a study's calibration needs no other.
      let forward = try workspace.run(command + ["--curve-metric", "residual"]).expectSuccess()
      #expect(!forward.errors.contains("gradients …") && forward.output.contains("3 budgets"))
      try workspace.run(Workspace.search("--gradient-windows", "2", budget: "3")).expectSuccess()
      try workspace.expectFailure(Workspace.search(budget: "4"), "gradient windows was 2, now 16")
      let again = try workspace.run("solve", "--study", "results/study", "--keep", "0.8").expectSuccess()
      #expect(again.output.contains("kept of at most  80.00 %") && !again.errors.contains("sampling"))
      try workspace.expectFailure(["solve", "--keep", "0.8"], "--model", code: 64)
      try workspace.expectFailure(["solve", "--study", "text", "--keep", "0.8"], "no study")
      // Layers that lose attention or MLP reach sizes that no width of one does.
      let small = ["solve", "--model", "model", "--keep", "0.25", "--drop-modules"] + Self.text
      let dropped = try workspace.run(small + ["--output", "small.gguf", "--json"]).expectSuccess().json()
      let answer = try #require((dropped["answers"] as? [[String: Any]])?.first)
      let widths = try ["kv_groups", "mlp_channels"].map { try #require(answer[$0] as? [Int]) }
      #expect(widths.joined().contains(0) && widths.allSatisfy { $0[0] > 0 })
      try workspace.run(
        "evaluate", "--model", "small.gguf", "--text", "text/notes.jsonl", "--window-length", "32"
      ).expectSuccess()
      // A score whose gradients are those of another scalar.
      let other = try workspace.run(command + ["--scores", "nirvana"]).expectSuccess()
      #expect(other.output.contains("score nirvana"))
      try workspace.expectFailure(command + ["--scores", "nothing"], "nothing")
      try workspace.expectFailure(
        ["solve", "--model", "model", "--keep", "0.01"] + Self.text, "'solve' cannot keep as little")
    }

    /// However candidates are evaluated, the values agree.
    @Test func benchmarkComparesEqualResults() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search(budget: "16")).expectSuccess()
      for (options, windows, rungs) in [
        ([], 4, [4]), (["--memory-limit", "1MB"], 4, [4]), (["--windows", "1"], 1, [1]),
        (["--rungs", "3"], 4, [1, 2, 4]),
      ] {
        let command = ["benchmark", "results/study", "--candidates", "7", "--json"] + options
        let result = try workspace.run(command).expectSuccess().json()
        #expect(result["windows"] as? Int == windows && result["tokens"] as? Int == 32 * windows)
        #expect(result["rungs"] as? [Int] == rungs)
        let rows = try #require(result["rows"] as? [[String: Any]])
        #expect(result["candidates"] as? Int == 7 && rows.count == 4)
        for row in rows { #expect(try #require(row["largest_difference"] as? Double) < 1e-6, "\(row)") }
      }
      try workspace.expectFailure(["benchmark", "text"], "no study")
      try workspace.expectFailure(
        ["benchmark", "results/study", "--candidates", "10", "--rungs", "2"], "needs 8 earlier trials",
        "the study has 6")
    }

    /// A search in bfloat16 keeps to it, and its candidates come in the order of single precision.
    @Test(.enabled(if: Precision.bfloat16.isSupported, "the processor has no products in bfloat16"))
    func searchInBfloat16() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search("--precision", "bf16", budget: "16")).expectSuccess()
      try workspace.run(Workspace.search("--precision", "bf16", budget: "20")).expectSuccess()
      // Whichever is faster here.
      try workspace.run(Workspace.search("--precision", "auto", budget: "2", study: "results/auto")).expectSuccess()
      try workspace.expectFailure(Workspace.search(budget: "24"), "precision was bf16, now f32")
      let command = ["benchmark", "results/study", "--candidates", "15", "--json", "--precisions"]
      let result = try workspace.run(command).expectSuccess().json()
      let rows = try #require(result["rows"] as? [[String: Any]])
      #expect(rows.compactMap { $0["precision"] as? String } == ["f32", "bf16"])
      #expect(try #require(result["rank_correlation"] as? Double) > 0.9)
      try workspace.expectFailure(command + ["--rungs", "2"], "without --rungs", code: 64)
      let solve = ["solve", "--model", "model", "--keep", "0.8", "--measure"] + Self.text
      try workspace.run(solve + ["--precision", "bf16"]).expectSuccess()
      try workspace.expectFailure(solve + ["--precision", "f16"], "'f32', 'bf16' or 'auto'", code: 64)
    }

    /// The same search on one worker, on three and on eight: the same candidates with the same values.
    @Test func threadsDoNotMatter() throws {
      let workspace = try Workspace("llama3-gqa")
      func values(threads: String) throws -> [[Double]] {
        workspace.extraEnvironment["NAS_SEARCH_THREADS"] = threads
        let study = "results/study-\(threads)"
        try workspace.run(
          Workspace.search("--keep", "0.7", "--calibration", "text/lighthouse.txt", budget: "20", study: study)
        ).expectSuccess()
        return try Study.open(.folder(workspace.url(study)), access: .inspect).trials().map(\.values)
      }
      let one = try values(threads: "1")
      for threads in ["3", "8"] {
        let more = try values(threads: threads)
        #expect(one.count == 20 && more.count == 20)
        for (a, b) in zip(one, more) {
          for (x, y) in zip(a, b) { #expect(abs(x - y) <= 1e-6 * abs(x), "\(threads): \(x), \(y)") }
        }
      }
    }

    /// What another tool pruned without repair gets nearer to the dense model.
    @Test func repairImprovesASubnet() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(prune("wanda-sp", "out/plain", "--dtype", "f32", keep: "0.6")).expectSuccess()
      let command = ["repair", "--dense", "model", "--model", "out/plain", "--dtype", "f32"] + Self.text
      let result = try workspace.run(command + ["--output", "out/better", "--json"]).expectSuccess().json()
      let (before, after) = (try #require(result["kl_before"] as? Double), try #require(result["kl_after"] as? Double))
      #expect(result["improved"] as? Bool == true && after < before)
      let steps = try #require(result["steps"] as? [[String: Any]])
      #expect(!steps.isEmpty && steps.allSatisfy { ($0["held_out_error"] as? Double ?? 2) <= 1 })
      let record = try #require(
        JSONSerialization.jsonObject(with: workspace.data("out/better/nas_search.json")) as? [String: Any])
      #expect(record["method"] as? String == "repair" && record["repair"] as? String == "sequential")
      let words = try workspace.run(command + ["--output", "out/again.gguf"]).expectSuccess().output
      #expect(words.contains("projections fitted anew"))
      try workspace.expectFailure(
        ["repair", "--dense", "out/plain", "--model", "model", "--output", "x"] + Self.text, "layer 0 is wider")
    }

    /// What goes on in the loss behind the sequential repair is not worse than that, and says what it did.
    @Test(arguments: [("gauss-newton", "steps in the loss"), ("descent", "descent over")])
    func repairGoesOnInTheLoss(_ repair: String, _ words: String) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(prune("wanda-sp", "out/plain", "--dtype", "f32", keep: "0.6")).expectSuccess()
      let command = ["repair", "--dense", "model", "--model", "out/plain", "--dtype", "f32"] + Self.text
      let plain = try workspace.run(command + ["--output", "out/better", "--json"]).expectSuccess().json()
      let more = command + ["--repair", repair]
      let result = try workspace.run(more + ["--output", "out/more", "--json"]).expectSuccess().json()
      let (before, after) = (try #require(plain["kl_after"] as? Double), try #require(result["kl_after"] as? Double))
      #expect(after <= before)
      let key = repair == "descent" ? "descent" : "gauss_newton"
      #expect((result[key] as? [Any])?.isEmpty == false)
      let said = try workspace.run(more + ["--output", "out/again.gguf"]).expectSuccess().output
      #expect(said.contains(words))
      try workspace.expectFailure(
        command + ["--repair", "nested", "--output", "x"], "sequential, gauss-newton or descent")
    }

    /// A descent goes over the windows that it alone is given, too, and the option needs one.
    @Test func descentsTakeFurtherWindows() throws {
      let workspace = try Workspace("llama3-gqa")
      let command = prune("uniform+descent", "out/more", "--descent-windows", "16", "--json", keep: "0.6")
      _ = try workspace.run(command).expectSuccess().json()
      let record = try #require(
        JSONSerialization.jsonObject(with: workspace.data("out/more/nas_search.json")) as? [String: Any])
      #expect(record["repair"] as? String == "descent")
      try workspace.expectFailure(
        prune("uniform", "out/x", "--descent-windows", "16", keep: "0.6"), "none is asked for", code: 64)
      try workspace.expectFailure(
        prune("uniform+descent", "out/x", "--descent-windows", "1", keep: "0.6"), "--descent-windows must be between",
        code: 64)
      try workspace.expectFailure(
        compare("numerical", "--descent-windows", "16"), "none is asked for", code: 64)
    }

    /// A row with training starts from the subnet of the row without, and is charged for both.
    @Test func descentsAreComparedBehindTheirMethods() throws {
      let workspace = try Workspace("llama3-gqa")
      let result = try workspace.run(compare("numerical+descent,numerical", "--json")).expectSuccess().json()
      let cells = try #require(result["cells"] as? [[String: Any]])
      func value(_ method: String, _ key: String, _ keep: Double) throws -> Double {
        let cell = cells.first { $0["method"] as? String == method && $0["keep_target"] as? Double == keep }
        return try #require(cell?[key] as? Double, "\(method) \(key)")
      }
      for keep in [0.9, 0.6] {
        #expect(try value("numerical+descent", "kl", keep) <= value("numerical", "kl", keep))
        #expect(
          try value("numerical+descent", "block_parameters", keep) == value("numerical", "block_parameters", keep))
        #expect(
          try value("numerical+descent", "repair_seconds", keep) > value("numerical", "repair_seconds", keep))
      }
      try workspace.expectFailure(compare("nothing+descent"), "unknown method 'nothing'")
    }
  }
}
