import Checkpoints
import Foundation
import Testing

@testable import LanguageModels

/// Every key and tensor of a GGUF file is used, known to say nothing, or the file is refused with its name.
@Suite struct GGUFAccountTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var place: URL { folder.url.appendingPathComponent("tiny.gguf") }

  /// The error of opening the file, without its path; nil if it opens.
  private func problem(
    _ changes: [String: GGUFValue?] = [:], extra: [String: [Float]] = [:], without: Set<String> = []
  ) throws -> String? {
    try TinyGGUF().write(to: place, changes, extra: extra, without: without)
    return problem()
  }

  private func problem() -> String? {
    do {
      _ = try LanguageModel(place)
      return nil
    } catch {
      #expect(error is ModelError || error is CheckpointError)
      let text = "\(error)"
      #expect(text.hasPrefix(place.path) && !text.contains("\n"), "\(text)")
      let rest = text.dropFirst(place.path.count)
      return String(rest.hasPrefix(": ") ? rest.dropFirst(2) : rest.dropFirst())
    }
  }

  // MARK: Keys

  @Test(arguments: [
    ("attention.causal", GGUFValue.bool(false)), ("attention.scale", .float32(0.25)), ("logit_scale", .float32(0.0625)),
    ("residual_scale", .float32(0.22)), ("embedding_scale", .float32(12)), ("attn_logit_softcapping", .float32(50)),
    ("final_logit_softcapping", .float32(30)), ("attention.clamp_kqv", .float32(8)),
    ("attention.max_alibi_bias", .float32(8)), ("use_parallel_residual", .bool(true)),
    ("attention.temperature_scale", .float32(0.1)), ("nextn_predict_layers", .uint32(1)),
    ("attention.sliding_window_pattern", .uint32(6)), ("rope.dimension_sections", .array(.int32([1, 1, 0, 0]))),
    ("attention.sliding_window_pattern", .array(.bool([true, false]))), ("rope.scaling.alpha", .float32(1000)),
    ("expert_used_count", .uint32(2)), ("attention.something_new", .uint32(1)), ("ssm.conv_kernel", .uint32(4)),
  ])
  func settingsOfOtherNetworksAreRefused(name: String, value: GGUFValue) throws {
    let text = try problem(["llama.\(name)": value])
    #expect(text == "the key 'llama.\(name)', which is \(value.summary), is not supported")
  }

  @Test(arguments: [
    ("attention.causal", GGUFValue.bool(true)), ("attention.scale", .float32(0.5)), ("attention.scale", .float32(0)),
    ("logit_scale", .float32(1)), ("residual_scale", .float32(1)), ("embedding_scale", .float64(1)),
    ("attn_logit_softcapping", .float32(0)), ("attention.clamp_kqv", .float32(0)), ("expert_count", .uint32(0)),
    ("use_parallel_residual", .bool(false)), ("rope.dimension_sections", .array(.int32([0, 0, 0, 0]))),
    ("vocab_size", .uint32(41)), ("tensor_data_layout", .string("Meta AI original pth")), ("pooling_type", .uint32(0)),
    ("rope.scaling.finetuned", .bool(false)), ("attention.value_length", .uint32(4)),
  ])
  func settingsThatAreOffOrSayNothingAreRead(name: String, value: GGUFValue) throws {
    let (text, heard) = try listening { try problem(["llama.\(name)": value]) }
    #expect(text == nil)
    #expect(heard == [])
  }

  /// What a body gives, and the remarks that it makes.
  private func listening(_ body: () throws -> String?) throws -> (String?, heard: [String]) {
    var result: String?
    let heard = try Notices.heard { result = try body() }
    return (result, heard)
  }

  /// llama.cpp, too, passes over what no network of its own heeds.
  @Test func unknownKeysAreRemarkedOn() throws {
    let (text, heard) = try listening {
      try problem([
        "llama.trained_by": .string("us"), "general.author": .string("us"), "quantize.imatrix.file": .string("i"),
        "qwen2.attention.scale": .float32(3), "my.own": .uint8(1),
      ])
    }
    #expect(text == nil)
    #expect(heard == ["\(place.path): the key 'llama.trained_by' is not known and is passed over, as llama.cpp does"])
  }

  @Test func defaultsAndWindowsAreRemarkedOn() throws {
    let (text, heard) = try listening { try problem(["llama.context_length": nil]) }
    #expect(text == nil)
    #expect(heard == ["\(place.path): the key 'llama.context_length' is missing; 2048 is taken"])
    let (_, ofWindow) = try listening { try problem(["llama.attention.sliding_window": .uint32(9)]) }
    #expect(ofWindow.count == 1 && ofWindow[0].contains("'llama.attention.sliding_window' is 9"))
    let (_, ofWide) = try listening { try problem(["llama.attention.sliding_window": .uint32(512)]) }
    #expect(ofWide == [])
  }

  @Test func valuesMustBeAsLongAsKeys() throws {
    #expect(
      try problem(["llama.attention.value_length": .uint32(8)])
        == "an attention with keys of 4 and values of 8 ('llama.attention.key_length', 'llama.attention.value_length') "
        + "is not supported")
  }

  @Test func attentionWithoutMLPIsRefused() throws {
    #expect(
      try problem(["llama.feed_forward_length": .array(.uint32([24, 0]))])
        == "layer 1, which has attention and no MLP and would be left out by llama.cpp as a whole, is not supported")
  }

  @Test func oldAndNewRopeFactorMustAgree() throws {
    #expect(
      try problem(["llama.rope.scale_linear": .float32(4), "llama.rope.scaling.factor": .float32(2)])
        == "llama.rope.scaling.factor is 2.0, but llama.rope.scale_linear is 4.0: take out the one that is wrong")
    #expect(try problem(["llama.rope.scale_linear": .float32(4), "llama.rope.scaling.factor": .float32(4)]) == nil)
  }

  // MARK: Tensors

  @Test(arguments: [
    ("blk.0.attn_q.scale", "the scale of a quantised weight"),
    ("blk.1.ffn_up.input_scale", "the scale of an activation"),
    ("blk.0.attn_q_norm.weight", "a norm of queries"), ("blk.1.attn_k_norm.weight", "a norm of keys"),
    ("blk.0.ffn_gate_exps.weight", "the weights of experts"), ("blk.0.ffn_gate_inp.weight", "the router of experts"),
    ("blk.0.ffn_up_shexp.weight", "the weights of a shared expert"), ("blk.0.attn_sinks.weight", "an attention sink"),
    ("blk.1.nextn.eh_proj.weight", "part of a head that predicts further tokens"),
    ("mm.0.weight", "part of an image projector"), ("v.blk.0.attn_q.weight", "part of an image encoder"),
    ("output.bias", "a bias of the output head"), ("cls.weight", "the head of a classifier"),
    ("position_embd.weight", "an embedding of positions"), ("blk.0.attn_norm.bias", "the shift of a LayerNorm"),
    ("blk.0.post_attention_norm.weight", "a norm inside a layer"),
    ("blk.0.attn_qkv.weight", "query, key and value in one, which are stored one by one, too"),
    ("token_embd_norm.weight", "a norm of the embedding"),
  ])
  func otherTensorsAreNamed(name: String, meaning: String) throws {
    #expect(
      try problem(extra: [name: [1]])
        == "tensor '\(name)' is stored, but the configuration has no use for it: \(meaning)")
  }

  @Test func tensorsOfNoKnownKindAreNamed() throws {
    #expect(
      try problem(extra: ["something": [1]])
        == "tensor 'something' is stored, but the configuration has no use for it")
    #expect(
      try problem(extra: ["blk.2.attn_norm.weight": [1]])
        == "tensor 'blk.2.attn_norm.weight' is stored, but the configuration has no use for it: layer 2 of a model of 2 "
        + "layers")
    #expect(
      try problem(extra: ["rope_factors_long.weight": [1, 1], "rope_factors_short.weight": [1, 1]])
        == "tensor 'rope_factors_long.weight' and 1 more are stored, but the configuration has no use for them: factors of "
        + "LongRoPE, which 'rope.scaling.type' does not ask for")
    let heads: [String: GGUFValue?] = [
      "llama.attention.head_count": .array(.uint32([4, 0])), "llama.attention.head_count_kv": .array(.uint32([2, 0])),
    ]
    #expect(try problem(heads)?.hasPrefix("tensor 'blk.1.attn_") == true)
  }

  /// What is wrong is named by the key or the tensor of the file.
  @Test func wrongNumbersAreNamedByTheirKeys() throws {
    func expect(_ changes: [String: GGUFValue?], _ part: String, extra: [String: [Float]] = [:]) throws {
      let found = try problem(changes, extra: extra) ?? "nothing"
      #expect(found.contains(part), "\(found)")
    }
    try expect(["llama.context_length": .uint32(0)], "a context of 0 tokens (llama.context_length)")
    try expect(["llama.rope.freq_base": .float32(-1)], "(llama.rope.freq_base)")
    try expect(["llama.attention.layer_norm_rms_epsilon": .float32(-1)], "(llama.attention.layer_norm_rms_epsilon)")
    try expect(["llama.attention.key_length": .uint32(3)], "head dimension 3 (llama.attention.key_length)")
    try expect(["llama.rope.dimension_count": .uint32(2)], "(llama.rope.dimension_count)")
    try expect([:], "rope_freqs.weight has 3 rope factors", extra: ["rope_freqs.weight": [1, 1, 1]])
    try expect([:], "rope_freqs.weight[1] is -2.0", extra: ["rope_freqs.weight": [1, -2]])
    try expect(
      ["llama.rope.scaling.type": .string("yarn"), "llama.rope.scaling.factor": .float32(-4)],
      "llama.rope.scaling.factor is -4.0")
    try expect(
      ["llama.rope.scaling.type": .string("longrope")], "rope_factors_long.weight[0] is -1.0",
      extra: ["rope_factors_short.weight": [1, 1], "rope_factors_long.weight": [-1, 1]])
  }

  /// A window of no tokens is none in no loader; llama.cpp has one of its own for a Gemma 2 without the key.
  @Test(arguments: ["gemma2-caps", "gemma3-local"])
  func windowsOfGemmaMustSeeSomething(name: String) throws {
    let fixture = try #require(Fixture(rawValue: name))
    let file = try GGUFFile(fixture.gguf)
    let key = "\(try file.string("general.architecture")).attention.sliding_window"
    func copy(_ window: GGUFValue?) throws {
      let metadata = file.keys.compactMap { name in file[name].map { (name, $0) } }.compactMap { name, value in
        name == key ? window.map { (name, $0) } : (name, value)
      }
      let plans = try file.tensorNames.map { name in
        TensorPlan(name: name, type: .f32, shape: try file.tensor(name).shape)
      }
      try GGUFWriter.write(metadata: metadata, tensors: plans, to: place) { plan, write in
        try file.tensor(plan.name).floats().withUnsafeBufferPointer { try write($0) }
      }
    }
    try copy(.uint32(0))
    #expect(problem()?.contains("a sliding window 0 (\(key)) sees nothing") == true)
    try copy(nil)
    let windows = try LanguageModel(place).configuration.windows.compactMap(\.self)
    #expect(Set(windows) == (name == "gemma2-caps" ? [4096] : []))
  }

  @Test func joinedProjectionsMustFit() throws {
    let separate = Set(["q", "k", "v"].map { "blk.0.attn_\($0).weight" })
    #expect(
      try problem(extra: ["blk.0.attn_qkv.weight": [1, 2, 3]], without: separate)
        == "tensor 'blk.0.attn_qkv.weight': its shape [3] is not that of 'blk.0.attn_q.weight' (16), "
        + "'blk.0.attn_k.weight' (8), 'blk.0.attn_v.weight' (8)")
  }

  /// llama.cpp passes over single biases beside a joined weight; what it does not heed is not added.
  @Test func singleBiasesOfJoinedProjectionsAreRefused() throws {
    try TinyGGUF().write(to: place, extra: ["blk.1.attn_k.bias": [1, 1, 1, 1]])
    #expect(problem() == nil)
    let separate = Set(["q", "k", "v"].map { "blk.1.attn_\($0).weight" })
    #expect(
      try problem(
        extra: ["blk.1.attn_k.bias": [1, 1, 1, 1], "blk.1.attn_qkv.weight": Array(repeating: 0, count: 16)],
        without: separate)
        == "tensor 'blk.1.attn_k.bias': llama.cpp heeds it only together with blk.1.attn_q.bias and blk.1.attn_v.bias")
  }

  @Test func rotaryBuffersAreHarmless() throws {
    #expect(try problem(extra: ["blk.0.attn_rot_embd.weight": [1, 1], "rot_embd.weight": [1, 1]]) == nil)
  }

  @Test(arguments: ["blk.1.attn_k.weight", "blk.0.ffn_norm.weight", "output_norm.weight"])
  func missingTensorsAreNamed(name: String) throws {
    #expect(try problem(without: [name])?.hasPrefix("no tensor '\(name)'") == true)
  }

  // MARK: Files that hold no language model

  private func write(_ metadata: [(key: String, value: GGUFValue)], _ tensors: String...) throws {
    try GGUFWriter.write(
      metadata: metadata, tensors: tensors.map { TensorPlan(name: $0, type: .f32, shape: [1]) }, to: place
    ) { _, write in
      try [Float(1)].withUnsafeBufferPointer { try write($0) }
    }
  }

  @Test func adaptersAreNamed() throws {
    let words =
      "holds a LoRA adapter, not a model in a form that is read: 'llama-export-lora -m MODEL.gguf --lora ADAPTER.gguf -o OUT.gguf' of "
      + "llama.cpp merges it into its model"
    let architecture = (key: "general.architecture", value: GGUFValue.string("llama"))
    try write([architecture, ("general.type", .string("adapter"))], "blk.0.attn_q.weight.lora_a")
    #expect(problem() == words)
    try write([architecture, ("adapter.type", .string("lora"))])
    #expect(problem() == words)
    try write([architecture], "blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b")
    #expect(problem() == words)
  }

  @Test func otherContentsAreNamed() throws {
    try write([("general.type", .string("imatrix"))], "blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts")
    #expect(
      problem() == "holds an importance matrix, not a model in a form that is read: give the model that it was made for"
    )
    try write([("general.architecture", .string("clip")), ("general.type", .string("mmproj"))], "v.patch_embd.weight")
    #expect(
      problem()
        == "holds the image or sound encoder of a model (mmproj), not a model in a form that is read: give the language model that it "
        + "belongs to")
    try write([("general.architecture", .string("controlvector"))], "direction.1")
    #expect(problem() == "holds a control vector, not a model in a form that is read: give the model that it steers")
    try TinyGGUF().write(to: place)
    let all = Set(try GGUFFile(place).tensorNames)
    #expect(
      try problem(["general.type": .string("vocab")], without: all)
        == "holds a vocabulary without weights, not a model in a form that is read: give the file that holds the model's tensors"
    )
    #expect(try problem(["general.type": .string("model")]) == nil)
  }

  @Test func metadataOfNothingIsAnError() throws {
    try write([], "a")
    #expect(problem() == "the key 'general.architecture' is missing")
  }
}
