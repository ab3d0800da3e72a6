import Foundation
import Testing

extension EndToEnd {
  /// `prune --head-dimension` as a user runs it.
  @Suite(.serialized) struct NarrowHeads {
    private func prune(
      _ method: String, _ output: String, _ more: String..., model: String = "model", keep: String = "0.7"
    ) -> [String] {
      [
        "prune", "--model", model, "--method", method, "--keep", keep, "--output", output, "--calibration",
        "text/lighthouse.txt", "--calibration-windows", "8", "--calibration-length", "32", "--fitness-windows", "4",
        "--fitness-length", "16",
      ] + more
    }

    private func json(_ workspace: Workspace, _ path: String) throws -> [String: Any] {
      try #require(JSONSerialization.jsonObject(with: workspace.data(path)) as? [String: Any])
    }

    /// The narrower model is written by a method that prunes nothing more, and a method prunes it further.
    @Test func headsGetNarrowerBeforeUnitsGo() throws {
      let workspace = try Workspace("llama3-gqa")
      let heads = ["--head-dimension", "6", "--dtype", "f32"]
      let whole = try workspace.run(prune("ours-fast", "heads.gguf", "--json", keep: "1") + heads).expectSuccess()
        .json()
      let narrower = try #require(whole["heads"] as? [String: Any])
      #expect(narrower["dimension"] as? Int == 6 && narrower["dimension_before"] as? Int == 8)
      #expect((narrower["rotary_pairs"] as? [Int])?.count == 3)
      let keep = try #require(narrower["keep_ratio"] as? Double)
      #expect(keep < 1 && whole["keep_ratio"] as? Double == keep)
      let kl = try #require(whole["kl"] as? Double)
      #expect(kl > 0 && kl < 2)
      let more = try workspace.run(
        prune("ours-fast", "out/hf", "--set", "repair=sequential", "--json", keep: "0.7") + heads
      ).expectSuccess().json()
      #expect(try #require(more["keep_ratio"] as? Double) <= 0.7 && #require(more["kl"] as? Double) > kl)
      let record = try json(workspace, "out/hf/nas_search.json")
      #expect((record["heads"] as? [String: Any])?["dimension"] as? Int == 6)
      let config = try json(workspace, "out/hf/config.json")
      #expect(config["head_dim"] as? Int == 6)
      // The divergence is from the dense model, of what was written too.
      let compared = try workspace.run(
        "evaluate", "--model", "heads.gguf", "--dense", "model", "--text", "text/notes.jsonl", "--window-length", "32",
        "--json"
      ).expectSuccess().json()
      let measured = try #require((compared["measurements"] as? [[String: Any]])?.first)
      #expect(try #require(measured["kl"] as? Double) > 0)
    }

    @Test func allDimensionsAreTheModel() throws {
      let workspace = try Workspace("llama3-gqa")
      let command = prune("uniform", "out/a.gguf", "--dtype", "f32", "--json", keep: "1")
      let result = try workspace.run(command + ["--head-dimension", "8"]).expectSuccess().json()
      #expect(abs(try #require(result["kl"] as? Double)) < 1e-6 && result["keep_ratio"] as? Double == 1)
    }

    @Test func headsThatCannotBeNarrowerAreRefused() throws {
      let workspace = try Workspace("llama3-gqa", "qwen3-tied", "olmo2-norms")
      for dimension in ["7", "10", "0"] {
        try workspace.expectFailure(
          prune("ours-fast", "out") + ["--head-dimension", dimension], "8 dimensions", "even number", dimension)
      }
      for (model, word) in [("qwen3-tied", "normalises queries"), ("olmo2-norms", "normalises queries")] {
        try workspace.expectFailure(
          prune("ours-fast", "out", model: model) + ["--head-dimension", "4"],
          "cannot be made narrower", word)
      }
    }
  }
}
