import Foundation
import Testing

extension EndToEnd {
  /// Models that cannot be searched: one line that says what is wrong where, and nothing left behind.
  @Suite(.serialized) struct BadModels {
    @Test func missingFiles() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(Workspace.search(model: "nowhere"), "nowhere", "no such file or folder")
      try workspace.expectFailure(Workspace.search(model: "text"), "text", "config.json")
      try workspace.remove("model/tokenizer.json")
      try workspace.expectFailure(Workspace.search(), "model/tokenizer.json", "no such file")
      try workspace.remove("model/model.safetensors")
      try workspace.expectFailure(Workspace.search(), "model", "neither model.safetensors nor")
      try workspace.remove("model/config.json")
      try workspace.expectFailure(Workspace.search(), "model", "config.json")
    }

    @Test func damagedSafetensors() throws {
      let workspace = try Workspace("llama3-gqa")
      let file = "model/model.safetensors"
      let whole = try workspace.data(file)
      try workspace.edit(file) { $0 = $0.prefix($0.count / 2) }
      try workspace.expectFailure(Workspace.search(), file, "tensor 'model.layers.", "truncated")
      let lengths: [([UInt8], String)] = [
        (Array(repeating: 0xFF, count: 8), "18446744073709551615"),
        ([0, 0, 0, 0, 0, 0, 0, 0x40], "4611686018427387904"),
        ([0, 0, 0, 1, 0, 0, 0, 0], "header"), ([0, 0, 1, 0, 0, 0, 0, 0], "JSON"), ([9, 0, 0, 0, 0, 0, 0, 0], "JSON"),
      ]
      for (length, words) in lengths {
        try workspace.edit(file) { $0 = Data(length) + whole.dropFirst(8) }
        try workspace.expectFailure(Workspace.search(), file, words)
      }
      for count in [0, 5, 8, 100] {
        try workspace.edit(file) { $0 = whole.prefix(count) }
        try workspace.expectFailure(Workspace.search(), file)
      }
    }

    @Test func damagedGGUF() throws {
      let workspace = try Workspace("llama3-gqa")
      let file = "llama3-gqa/llama3-gqa.gguf"
      let whole = try workspace.data(file)
      for (count, words) in [(whole.count / 2, "truncated"), (300, "tensors"), (20, "tensors"), (0, "signature")] {
        try workspace.edit(file) { $0 = whole.prefix(count) }
        try workspace.expectFailure(Workspace.search(model: file), file, words)
      }
      // The numbers of tensors and of keys, then the length of the first key.
      for start in [8, 16, 24] {
        try workspace.edit(file) { data in
          data = whole.prefix(start) + Data(repeating: 0xFF, count: 8) + whole.dropFirst(start + 8)
        }
        try workspace.expectFailure(Workspace.search(model: file), file, "18446744073709551615")
      }
      try workspace.write("hello", to: file)
      try workspace.expectFailure(Workspace.search(model: file), file, "GGUF")
    }

    @Test func configurationsThatDoNotFit() throws {
      let workspace = try Workspace("llama3-gqa")
      let original = try workspace.data("model/config.json")
      try workspace.configure(["intermediate_size": 96])
      try workspace.expectFailure(
        Workspace.search(), "model.safetensors", "'model.layers.0.mlp.gate_proj.weight'", "[64, 32]", "[96, 32]")
      try original.write(to: workspace.url("model/config.json"))
      try workspace.configure(["architectures": ["FalconForCausalLM"], "model_type": "falcon"])
      try workspace.expectFailure(
        Workspace.search(), "config.json", "'FalconForCausalLM'", "LlamaForCausalLM", "MistralForCausalLM",
        "Qwen2ForCausalLM")
      try original.write(to: workspace.url("model/config.json"))
      // The family's default stands for what is missing.
      try workspace.configure(["hidden_size": nil])
      try workspace.expectFailure(Workspace.search(), "'model.embed_tokens.weight'", "[320, 32]", "[320, 4096]")
      try workspace.edit("model/config.json") { $0 = $0.prefix(50) }
      try workspace.expectFailure(Workspace.search(), "config.json", "JSON")
    }

    @Test func weightsThatAreNoNumbers() throws {
      let workspace = try Workspace("llama3-gqa")
      let tensor = "model.layers.1.mlp.down_proj.weight"
      try workspace.edit("model/model.safetensors") { data in
        let length = Int(data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        let header = try #require(
          JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any])
        let offsets = try #require((header[tensor] as? [String: Any])?["data_offsets"] as? [Int])
        let start = 8 + length + offsets[0] + 20
        data.replaceSubrange(start..<start + 2, with: [0xC0, 0x7F])
      }
      try workspace.expectFailure(Workspace.search(), "model.safetensors", "'\(tensor)'", "nan", "element 10")
      try workspace.expectFailure(
        Workspace.search("--calibration", "text/lighthouse.txt"), "model.safetensors", "'\(tensor)'", "nan")
      try workspace.expectFailure(
        ["evaluate", "--model", "model", "--text", "text/lighthouse.txt", "--window-length", "32", "--json"],
        "'\(tensor)'")
      #expect(workspace.cache.isEmpty)
    }

    @Test func damagedTokenizer() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.edit("model/tokenizer.json") { $0 = $0.prefix(100) }
      try workspace.expectFailure(Workspace.search(), "model/tokenizer.json", "JSON")
      try workspace.expectFailure(["generate", "--model", "model", "--prompt", "a"], "model/tokenizer.json", "JSON")
    }
  }
}
