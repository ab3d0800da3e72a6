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
      try workspace.run(prune(output: "small.gguf") + fewer).expectSuccess()
      // The tokenizer is in the same file.
      let tokenizer = try bytes("small/tokenizer.json", in: workspace)
      let file = try bytes("small.gguf", in: workspace)
      #expect(file > 0.99 * Double(size) && file - tokenizer < 1.01 * Double(size))
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
