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

    /// Methods and scores that cannot rank experts are refused before statistics are gathered; beside others they are a row
    /// that says why.
    @Test func whatIsNotForExperts() throws {
      let workspace = try Workspace("qwen3moe-six")
      let calibration = [
        "--calibration", "text/lighthouse.txt", "--calibration-windows", "8", "--calibration-length", "64",
      ]
      func prune(_ method: String, _ more: String...) throws -> Outcome {
        try workspace.run(
          ["prune", "--model", "model", "--method", method, "--keep", "0.8", "--output", "out"] + calibration + more)
      }
      for (outcome, word) in [
        (try prune("flap"), "no bias of all experts"), (try prune("numerical"), "experts of a mixture"),
        (try prune("ours-fast", "--set", "repair=sequential", "--set", "bias=yes"), "no bias of all experts"),
      ] {
        outcome.expectFailure(word)
        #expect(!outcome.errors.contains("statistics") && !outcome.errors.contains("damping"), "\(outcome)")
      }
      try workspace.run(
        ["search", "--model", "model", "--scores", "numerical", "--budget", "4", "--study", "results/s"] + calibration
      ).expectFailure("experts of a mixture")
      let smallest = try workspace.run(
        ["prune", "--model", "model", "--method", "reap", "--keep", "0.3", "--output", "out"] + calibration)
      smallest.expectFailure("'reap' cannot keep as little", "0.538")
      let compared = try workspace.run(
        [
          "compare", "--model", "model", "--methods", "numerical,reap", "--keep", "0.8", "--text",
          "text/lighthouse.txt",
        ]
          + ["--window-length", "64", "--output", "compared"] + calibration
      ).expectSuccess()
      #expect(compared.output.contains("cannot rank the experts of a mixture"))
      #expect(!workspace.exists("out"))
    }

    /// ChatGLM's own folders: read, pruned, and written as Llama's containers in both formats; a tokenizer that only
    /// Python reads is said to be missing.
    @Test func chatGLMGoesTheWholeWay() throws {
      let workspace = try Workspace("chatglm-joined")
      func perplexity(_ model: String) throws -> Double {
        let document = try workspace.run(
          "evaluate", "--model", model, "--text", "text/lighthouse.txt", "--window-length", "64", "--json"
        ).expectSuccess().json()
        let lines = try #require(document["measurements"] as? [[String: Any]])
        return try #require(lines[0]["perplexity"] as? Double)
      }
      let dense = try perplexity("model")
      #expect(abs(try perplexity("model/chatglm-joined.gguf") - dense) < 1e-5 * dense)
      try workspace.run(Workspace.search("--keep", "0.8", budget: "6")).expectSuccess()
      for (number, command) in [["convert", "--model", "model"], ["export", "results/study"]].enumerated() {
        let values = try ["hf", "gguf"].map { format in
          let output = "out-\(number)" + (format == "gguf" ? ".gguf" : "")
          try workspace.run(command + ["--dtype", "f32", "--format", format, "--output", output]).expectSuccess()
          return try perplexity(output)
        }
        #expect(abs(values[0] - values[1]) < 1e-4 * values[0])
        if number == 0 { #expect(abs(values[0] - dense) < 1e-4 * dense) }
      }
      try workspace.remove("model/tokenizer.json")
      try workspace.write("", to: "model/tokenizer.model")
      try workspace.write(
        #"{"auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", null]}}"#,
        to: "model/tokenizer_config.json")
      try workspace.run("describe", "widths", "--model", "model").expectSuccess()
      try workspace.expectFailure(
        ["evaluate", "--model", "model", "--text", "text/lighthouse.txt"], "tokenizer.json", "there is tokenizer.model",
        "own Python code", "convert_hf_to_gguf.py")
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
