import Foundation
import Testing

extension EndToEnd {
  @Suite(.serialized) struct ConvertTests {
    private func perplexity(_ model: String, in workspace: Workspace) throws -> Double {
      let document = try workspace.run(
        "evaluate", "--model", model, "--text", "text/lighthouse.txt", "--window-length", "32", "--windows", "4",
        "--json"
      ).expectSuccess().json()
      let lines = try #require(document["measurements"] as? [[String: Any]])
      return try #require(lines[0]["perplexity"] as? Double)
    }

    /// In single precision a model computes the same in both formats, also there and back.
    @Test func keepsTheModel() throws {
      let workspace = try Workspace("llama3-gqa")
      let dense = try perplexity("model", in: workspace)
      let made = try workspace.run(
        "convert", "--model", "model", "--dtype", "f32", "--output", "out.gguf", "--json"
      ).expectSuccess().json()
      #expect(made["schema"] as? String == "nas-search.convert" && made["output"] as? String == "out.gguf")
      try workspace.run("convert", "--model", "out.gguf", "--dtype", "f32", "--output", "back").expectSuccess()
      for model in ["out.gguf", "back"] {
        #expect(abs(try perplexity(model, in: workspace) - dense) < 1e-4 * dense, "\(model)")
      }
      try workspace.run("convert", "--model", "model", "--dtype", "bf16", "--output", "small.gguf").expectSuccess()
      let sizes = try ["out.gguf", "small.gguf"].map { try workspace.data($0).count }
      #expect(Double(sizes[1]) < 0.7 * Double(sizes[0]))
    }

    /// The weights of the tiny model are random, and its perplexity thousands: it heeds every rounding.
    @Test func quantisesForLlamaCpp() throws {
      let workspace = try Workspace("llama3-gqa")
      let dense = try perplexity("model", in: workspace)
      var sizes: [Int] = []
      for (type, tolerance) in [("q8_0", 0.01), ("q6_k", 0.01), ("q5_k_m", 0.1), ("q4_k_m", 0.1), ("q4_0", 0.2)] {
        let made = try workspace.run(
          "convert", "--model", "model", "--dtype", type, "--output", "\(type).gguf", "--json"
        ).expectSuccess().json()
        sizes.append(try #require(made["bytes"] as? Int))
        #expect(abs(try perplexity("\(type).gguf", in: workspace) / dense - 1) < tolerance, "\(type)")
      }
      // Rows of 32 values have no blocks of 256: the tiny model's Q6_K is Q8_0 throughout.
      #expect(sizes == sizes.sorted(by: >))
      try workspace.run(
        "convert", "--model", "model", "--dtype", "q4_0", "--importance", "text/lighthouse.txt", "--output",
        "weighted.gguf"
      ).expectSuccess()
      #expect(try workspace.data("weighted.gguf") != workspace.data("q4_0.gguf"))
      try workspace.expectFailure(
        ["convert", "--model", "model", "--dtype", "q4_0", "--output", "x"], "a Hugging Face folder cannot hold")
      try workspace.expectFailure(
        ["convert", "--model", "model", "--importance", "text/lighthouse.txt", "--output", "x.gguf"],
        "--importance goes with quantisations that heed it")
    }

    @Test func replacesOnlyWhatItMayReplace() throws {
      let workspace = try Workspace("llama3-gqa")
      let convert = ["convert", "--model", "model", "--output"]
      try workspace.run(convert + ["out"]).expectSuccess()
      try workspace.expectFailure(convert + ["out"], "out", "not empty")
      try workspace.run(convert + ["out", "--replace"]).expectSuccess()
      try workspace.expectFailure(convert + ["model", "--replace"], "model")
      try workspace.expectFailure(convert + ["text", "--replace"], "text")
      try workspace.expectFailure(convert + ["x", "--format", "gguf2"], "--format", code: 64)
      try workspace.expectFailure(["convert", "--model", "nowhere", "--output", "x"], "nowhere")
    }
  }
}
