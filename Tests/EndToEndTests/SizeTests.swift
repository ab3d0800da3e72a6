import Foundation
import Testing

extension EndToEnd {
  /// Sizes that a command line asks for, beside the bytes of the files that were written.
  @Suite(.serialized) struct SizeTests {
    /// A model whose embedding is a quarter of it, and whose headers are a small part.
    private func workspace() throws -> Workspace {
      let workspace = try Workspace()
      try workspace.run(
        "synthesize", "--shape", "smollm2-135m", "--layers", "3", "--heads", "3", "--kv-heads", "3", "--channels",
        "512", "--vocabulary", "2500", "--output", "model"
      ).expectSuccess()
      return workspace
    }

    private func prune(_ more: String..., output: String) -> [String] {
      [
        "prune", "--model", "model", "--method", "flap", "--set", "repair=none", "--calibration-windows", "2",
        "--calibration-length", "32", "--fitness-windows", "2", "--fitness-length", "16", "--calibration",
        "text/lighthouse.txt", "--json", "--output", output,
      ] + more
    }

    private func bytes(_ path: String, in workspace: Workspace) throws -> Double {
      let attributes = try FileManager.default.attributesOfItem(atPath: workspace.url(path).path)
      return Double(try #require(attributes[.size] as? Int))
    }

    private func expect(_ bytes: Double, near size: Double, sourceLocation: SourceLocation = #_sourceLocation) {
      #expect(bytes < 1.01 * size && bytes > 0.99 * size, "\(bytes) of \(size)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [("f16", 2), ("f32", 4)])
    func aFileHasTheSizeThatWasAskedFor(type: String, width: Int) throws {
      let workspace = try workspace()
      let (size, option) = (1_300_000 * width, ["--size", "\(1300 * width)KB", "--dtype", type])
      let made = try workspace.run(prune(output: "whole") + option).expectSuccess().json()
      expect(try bytes("whole/model.safetensors", in: workspace), near: Double(size))
      #expect(try width * #require(made["total_parameters"] as? Int) <= size)
      // Fewer tokens leave room for more of the layers.
      let fewer = option + ["--keep-tokens", "1200"]
      let small = try workspace.run(prune(output: "small") + fewer).expectSuccess().json()
      expect(try bytes("small/model.safetensors", in: workspace), near: Double(size))
      #expect(try #require(small["keep_ratio"] as? Double) > #require(made["keep_ratio"] as? Double) + 0.1)
      // The tokenizer is in the same file.
      try workspace.run(prune(output: "small.gguf") + fewer).expectSuccess()
      let file = try bytes("small.gguf", in: workspace)
      #expect(file <= Double(size) && file > 0.97 * Double(size), "\(file) of \(size)")
    }

    /// Quantised files mix types, and narrower rows fall back to others.
    @Test(arguments: ["q8_0", "q4_k_m"]) func aQuantisedFileHasTheSizeThatWasAskedFor(type: String) throws {
      let workspace = try workspace()
      let whole = ["convert", "--model", "model", "--dtype", type, "--output", "dense.gguf"]
      try workspace.run(whole).expectSuccess()
      let size = Int(0.85 * (try bytes("dense.gguf", in: workspace)))
      let option = ["--dtype", type, "--size", "\(size)B"]
      let made = try workspace.run(prune(output: "small.gguf") + option).expectSuccess().json()
      let written = try bytes("small.gguf", in: workspace)
      // A KV group takes 3 % of this model, a block of 32 channels in each layer 1.2 %.
      #expect(written <= Double(size) && written > 0.96 * Double(size), "\(written) of \(size)")
      #expect(Int(written) == made["bytes"] as? Int)
      try workspace.expectFailure(
        prune(output: "folder") + option, "a Hugging Face folder cannot hold weights of type \(type)")
    }

    /// KV groups of all layers of a folder.
    private func groups(of output: String, in workspace: Workspace) throws -> Int {
      let record = try JSONSerialization.jsonObject(with: workspace.data(output + "/nas_search.json"))
      let layers = try #require((record as? [String: Any])?["kept"] as? [[String: Any]])
      return layers.reduce(0) { $0 + (($1["kv_groups"] as? [Int])?.count ?? 0) }
    }

    /// The cache counts, and falls with KV groups.
    @Test func memoryCountsTheCache() throws {
      let workspace = try workspace()
      func kept(_ context: Int, _ limit: Int) throws -> Int {
        let output = "memory-\(context)"
        try workspace.run(
          prune("--memory", "\(limit)B", "--context", "\(context)", output: output)
        ).expectSuccess()
        let groups = try groups(of: output, in: workspace)
        // Keys and values of 64 dimensions, two bytes each.
        let all = try bytes(output + "/model.safetensors", in: workspace) + Double(2 * 2 * 64 * context * groups)
        #expect(all <= 1.001 * Double(limit) && all > 0.98 * Double(limit))
        return groups
      }
      // Nine groups of 512 tokens would take 1.2 MB.
      #expect(try kept(8, 2_600_000) > 0)
      #expect(try kept(512, 3_200_000) > 0)
      try workspace.expectFailure(prune("--memory", "3MB", output: "x.gguf"), "--memory goes with --context", code: 64)
      try workspace.expectFailure(
        prune("--memory", "3MB", "--context", "100000000", output: "x.gguf"), "is more than the model's context")
    }

    @Test func parametersCountTheTokensThatStay() throws {
      let workspace = try workspace()
      for (tokens, output) in [("2500", "whole"), ("1200", "small")] {
        let made = try workspace.run(
          prune("--params", "1.3M", "--keep-tokens", tokens, output: output)
        ).expectSuccess().json()
        let parameters = try #require(made["total_parameters"] as? Int)
        #expect(parameters <= 1_300_000)
        expect(try bytes("\(output)/model.safetensors", in: workspace) / 2, near: 1_300_000)
      }
      let solve = Array(prune(output: "solved").drop { $0 != "--calibration-windows" })
      let solved = try workspace.run(
        ["solve", "--model", "model", "--size", "2600KB,2200KB", "--keep-tokens", "1200"] + solve
      ).expectSuccess().json()
      let answers = try #require(solved["answers"] as? [[String: Any]])
      for (answer, size) in zip(answers, [2_600_000, 2_200_000]) {
        // An answer may leave some of a budget.
        let counted = 2 * (try #require(answer["total_parameters"] as? Int))
        #expect(counted <= size && Double(counted) > 0.95 * Double(size))
        expect(try bytes("solved/size-\(size)/model.safetensors", in: workspace), near: Double(counted))
      }
    }

    /// A search keeps to about the bytes of what its candidates are exported as.
    @Test func searchesAimAtTheBytesOfATypeAndOfACache() throws {
      let workspace = try workspace()
      let options = [
        "search", "--model", "model", "--calibration", "text/lighthouse.txt", "--calibration-windows", "2",
        "--calibration-length", "32", "--fitness-windows", "2", "--fitness-length", "16", "--gradient-windows", "2",
        "--budget", "4", "--optimizer", "random", "--space", "widths", "--scores", "flap",
      ]
      for (study, limit, more) in [
        ("quantised", 1_500_000, ["--dtype", "q8_0", "--size", "1500KB"]),
        ("cached", 3_400_000, ["--memory", "3400KB", "--context", "256"]),
      ] {
        try workspace.run(options + more + ["--study", study]).expectSuccess()
        let type = study == "quantised" ? "q8_0" : "f16"
        let output = study == "quantised" ? "out.gguf" : "out"
        try workspace.run(
          "export", study, "--format", study == "quantised" ? "gguf" : "hf", "--dtype", type, "--repair", "nested",
          "--output", output
        ).expectSuccess()
        var written = try bytes(study == "quantised" ? output : output + "/model.safetensors", in: workspace)
        if study == "cached" { written += try Double(2 * 2 * 64 * 256 * groups(of: output, in: workspace)) }
        // Heads and channels have other shares in each candidate.
        #expect(written < 1.15 * Double(limit) && written > 0.85 * Double(limit), "\(study): \(written)")
      }
      try workspace.expectFailure(
        options + ["--dtype", "q8_0", "--keep", "0.8", "--study", "none"], "--dtype of a search goes with", code: 64)
    }

    @Test func exportTakesTheBestPointOfASize() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search(budget: "20")).expectSuccess()
      let report = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let points = try #require(report["front"] as? [[String: Any]])
      let sizes = try points.map { try #require($0["total_parameters"] as? Int) }.sorted()
      let middle = sizes[sizes.count / 2]
      let export = ["export", "results/study", "--format", "hf", "--json"]
      for (number, option) in [
        ["--params", "\(middle)"], ["--size", "\(2 * middle)B"], ["--size", "\(4 * middle)B", "--dtype", "f32"],
      ].enumerated() {
        let made = try workspace.run(export + option + ["--output", "out\(number)"]).expectSuccess().json()
        let written = try #require(made["total_parameters"] as? Int)
        #expect(written <= middle && sizes.contains(written))
      }
      // With fewer tokens a larger point fits.
      let tokens = ["--keep-tokens", "280", "--output", "small"]
      let small = try workspace.run(export + tokens + ["--params", "\(sizes.last ?? 0)"]).expectSuccess().json()
      #expect(try #require(small["total_parameters"] as? Int) < sizes.last ?? 0)
      try workspace.expectFailure(
        export + ["--output", "none", "--params", "\(sizes[0] - 1)"], "no point within --params")
      try workspace.expectFailure(export + ["--output", "none", "--size", "100B"], "--size 100 is too small")
      try workspace.expectFailure(
        export + ["--output", "none", "--point", "0", "--size", "1MB"], "--size goes with --point best", code: 64)
    }
  }
}
