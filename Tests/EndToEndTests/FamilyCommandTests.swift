import Foundation
import Testing

extension EndToEnd {
  /// What the commands say of families whose GGUF takes one width for all layers only.
  @Suite struct FamilyCommandTests {
    @Test func describeNamesTheLoaders() throws {
      let workspace = try Workspace("gemma3-local")
      let gemma = try workspace.run("describe", "widths", "--model", "model").expectSuccess().output
      for line in [
        "Hugging Face, one width for all layers: Gemma3ForCausalLM",
        "Hugging Face, a width for each layer: NASGemma3ForCausalLM (with trust_remote_code=True)",
        "GGUF, one width for all layers: gemma3",
        "GGUF, a width for each layer: none, llama.cpp's 'gemma3' has one width for all layers",
      ] { #expect(gemma.contains(line + "\n"), "\(line) in \(gemma)") }
      let other = try Workspace("granite-tied")
      let granite = try other.run("describe", "widths", "--model", "model").expectSuccess().output
      #expect(granite.contains("GGUF, a width for each layer: deci\n"))
    }

    /// Layers without norms before attention and MLP; widths from error curves, which need gradients.
    @Test func solveWithoutNormsBefore() throws {
      let workspace = try Workspace("olmo2-norms")
      let written = try workspace.run(
        "solve", "--model", "model", "--keep", "0.7", "--calibration", "text/lighthouse.txt", "--calibration-windows",
        "8",
        "--calibration-length", "64", "--dtype", "f32", "--format", "hf", "--output", "out"
      ).expectSuccess()
      #expect(written.output.contains("NASOlmo2ForCausalLM"))
      let config = try JSONSerialization.jsonObject(with: workspace.data("out/config.json")) as? [String: Any]
      #expect(config?["pad_token_id"] is NSNull)
    }

    /// A repair that adds biases, for a family whose containers take none, is refused before anything is gathered.
    @Test func biasesThatNoContainerTakesAreRefusedFirst() throws {
      let workspace = try Workspace("glm4-norms")
      func prune(_ method: String, _ more: String..., format: String) -> [String] {
        let calibration = [
          "--calibration", "text/lighthouse.txt", "--calibration-windows", "4", "--calibration-length",
        ]
        return [
          "prune", "--model", "model", "--method", method, "--keep", "0.8", "--output", "out", "--format", format,
        ]
          + calibration + ["32", "--fitness-windows", "2", "--fitness-length", "32"] + more
      }
      let words = "the biases are those that the repair adds"
      try workspace.expectFailure(prune("flap", format: "hf"), "'NASGlm4ForCausalLM' has other biases", words)
      try workspace.expectFailure(prune("ours-fast", "--set", "repair=bias", format: "hf"), words)
      try workspace.expectFailure(
        prune("ours-fast", "--set", "repair=sequential", "--set", "bias=yes", format: "hf"), words)
      #expect(workspace.cache.isEmpty)
      try workspace.run(prune("flap", "--set", "repair=nested", format: "hf")).expectSuccess()
      // Llama's containers take them.
      let other = try Workspace("phi3-fused")
      try other.run(prune("flap", format: "gguf")).expectSuccess()
    }

    @Test func searchSaysWhatGGUFDoesNotTake() throws {
      let words = "cannot be exported as GGUF: llama.cpp's 'smollm3' has one width for all layers; --space uniform"
      let workspace = try Workspace("smollm3-still")
      let search = try workspace.run(Workspace.search("--keep", "0.8", budget: "4")).expectSuccess()
      #expect(search.errors.contains(words), "\(search.errors)")
      let uniform = try workspace.run(
        Workspace.search("--keep", "0.8", "--space", "uniform", budget: "4", study: "alike")
      ).expectSuccess()
      #expect(!uniform.errors.contains("--space uniform"))
      let export = ["--format", "gguf", "--output", "out.gguf", "--json"]
      try workspace.expectFailure(["export", "results/study"] + export, "'smollm3' has one width for all layers")
      let written = try workspace.run(["export", "alike"] + export).expectSuccess().json()
      let checkpoints = try #require(written["checkpoints"] as? [[String: Any]])
      #expect(checkpoints.first?["architecture"] as? String == "smollm3")
    }
  }
}
