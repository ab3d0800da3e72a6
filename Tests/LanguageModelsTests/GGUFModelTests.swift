import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

/// GGUF files made from a tiny Llama, with metadata changed one key at a time.
@Suite struct GGUFModelTests {
  private let folder: TemporaryFolder
  private let tiny = TinyModel(layers: TinyGGUF.layers)

  init() throws { folder = try TemporaryFolder() }

  private var place: URL { folder.url.appendingPathComponent("tiny.gguf") }

  /// - Parameter extra: tensors beside the model's.
  private func write(_ changes: [String: GGUFValue?] = [:], extra: [String: [Float]] = [:]) throws {
    try TinyGGUF(tiny).write(to: place, changes, extra: extra)
  }

  private func expectError(_ parts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
    do {
      _ = try LanguageModel(place)
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch {
      #expect(error is ModelError || error is CheckpointError, sourceLocation: sourceLocation)
      for part in [place.path] + parts {
        #expect("\(error)".contains(part), "\(error)", sourceLocation: sourceLocation)
      }
    }
  }

  @Test func widthsMayDifferBetweenLayers() throws {
    try write()
    let model = try LanguageModel(place)
    let original = try tiny.open(in: folder)
    #expect(model.configuration.layers == original.configuration.layers && !model.configuration.isUniform)
    let tokens = someTokens(20, below: 40)
    #expect(distance(try model.logits(tokens), try original.logits(tokens)) <= 1e-6)
  }

  @Test func ropeSettingsAreRead() throws {
    try write([
      "llama.rope.scaling.type": .string("linear"), "llama.rope.scaling.factor": .float32(4),
      "llama.rope.dimension_count": .uint32(4),
    ])
    #expect(
      try LanguageModel(place).configuration.rotary == RotaryConfiguration(theta: 100, scaling: .linear(factor: 4)))
    // A factor without a type is linear; the first spelling of the factor; no factor is 1.
    for key in ["llama.rope.scaling.factor", "llama.rope.scale_linear"] {
      try write([key: .float32(4)])
      #expect(try LanguageModel(place).configuration.rotary.scaling == .linear(factor: 4))
    }
    try write(["llama.rope.scaling.type": .string("linear")])
    #expect(try LanguageModel(place).configuration.rotary.scaling == .none)
    try write(["llama.rope.scaling.type": .string("none"), "llama.rope.scaling.factor": .float32(4)])
    #expect(try LanguageModel(place).configuration.rotary.scaling == .none)
    try write(extra: ["rope_freqs.weight": [1, 5]])
    #expect(try LanguageModel(place).configuration.rotary.scaling == .factors([1, 5]))
    try write(["llama.rope.scaling.factor": .float32(4)], extra: ["rope_freqs.weight": [1, 5]])
    #expect(try LanguageModel(place).configuration.rotary.scaling == .factors([4, 20]))
    try write(["llama.rope.scaling.attn_factor": .float32(1.5)])
    #expect(
      try LanguageModel(place).configuration.rotary.scaling == .divided(by: [1, 1], attentionFactor: 1.5))
    try write(["llama.rope.freq_base": nil])
    #expect(try LanguageModel(place).configuration.rotary.theta == 10_000)
  }

  @Test func unsupportedFeaturesAreNamed() throws {
    try write(["general.architecture": .string("mamba")])
    expectError("mamba", "LlamaForCausalLM", "qwen2", "deci")
    try write(["llama.expert_count": .uint32(8)])
    expectError("llama.expert_used_count")
    try write(["llama.expert_count": .uint32(8), "llama.expert_used_count": .uint32(9)])
    expectError("8 experts", "a token uses 9")
    try write(["llama.expert_count": .uint32(0)])
    _ = try LanguageModel(place)
    try write(["llama.rope.scaling.type": .string("dynamic"), "llama.rope.scaling.factor": .float32(4)])
    expectError("dynamic")
    try write(["llama.rope.dimension_count": .uint32(2)])
    expectError("rotary dimension of 2")
  }

  @Test func missingKeysAreNamed() throws {
    for key in [
      "general.architecture", "llama.block_count", "llama.embedding_length", "llama.attention.head_count",
      "llama.feed_forward_length", "llama.attention.layer_norm_rms_epsilon",
    ] {
      try write([key: nil])
      expectError(key)
    }
  }

  @Test func impossibleValuesAreErrors() throws {
    try write(["llama.feed_forward_length": .array(.uint32([24]))])
    expectError("feed_forward_length", "1 entries for 2 layers")
    try write(["llama.block_count": .uint32(0)])
    expectError("block_count")
    try write(["llama.attention.head_count": .uint64(1 << 62)])
    expectError("\(1 << 62)")
    try write(extra: ["rope_freqs.weight": [1, 2, 3]])
    expectError("3 rope factors")
    for factor in [Float(0), -1, .nan, .infinity] {
      try write(extra: ["rope_freqs.weight": [1, factor]])
      expectError("rope")
    }
    try write(["llama.embedding_length": .uint32(32)])
    expectError("token_embd.weight", "[40, 16]", "[40, 32]")
  }

  /// llama.cpp writes 0 where there is no window.
  @Test func slidingWindowOfZeroIsNone() throws {
    try write(["llama.attention.sliding_window": .uint32(0)])
    #expect(try LanguageModel(place).configuration.slidingWindow == nil)
    // llama.cpp takes no notice of one; as long as the context it changes nothing.
    try write(["llama.attention.sliding_window": .uint32(9)])
    #expect(try LanguageModel(place).configuration.slidingWindow == nil)
    try write(["llama.attention.sliding_window": .uint32(512), "llama.context_length": .uint32(512)])
    #expect(try LanguageModel(place).configuration.slidingWindow == 512)
  }
}
