import Checkpoints

/// Accounts for every tensor of a GGUF file: it is one that the network is made of, or a copy of what the metadata says, or the
/// file is refused with its name, as llama.cpp refuses it.
enum GGUFTensorAccount {
  /// - Throws: `ModelError.unusedTensor` for the first in the file's order.
  static func check(file: GGUFFile, configuration: ModelConfiguration, names: TensorNames) throws {
    let strays = file.tensorNames.filter { !isUsed($0, configuration, names) && !isHarmless($0) }
    guard let first = strays.first else { return }
    throw ModelError.unusedTensor(
      file: try file.tensor(first).file, tensor: first, others: strays.count - 1, meaning: meaning(first, configuration)
    )
  }

  private static func isUsed(_ name: String, _ configuration: ModelConfiguration, _ names: TensorNames) -> Bool {
    if let layer = layer(of: name) {
      guard configuration.layers.indices.contains(layer) else { return false }
      return configuration.parts(of: configuration.layers[layer]).contains { part in
        name == names.weight(part, layer: layer)
          || configuration.hasBias(part) && name == names.bias(part, layer: layer)
      }
    }
    if case .longrope = configuration.rotary.scaling {
      if ["rope_factors_long.weight", "rope_factors_short.weight"].contains(name) { return true }
    } else if name == "rope_freqs.weight" {
      return true
    }
    return [names.embedding, names.finalNorm, names.head].contains(name)
  }

  /// The number in `blk.NUMBER.…`.
  private static func layer(of name: String) -> Int? {
    name.wholeMatch(of: /blk\.([0-9]+)\..*/).flatMap { Int($0.1) }
  }

  /// The inverse frequencies of the rotary embedding, which old converters kept.
  private static func isHarmless(_ name: String) -> Bool {
    name.wholeMatch(of: /(blk\.[0-9]+\.)?(attn_)?rot_embd(\.weight)?/) != nil
  }

  private static func meaning(_ name: String, _ configuration: ModelConfiguration) -> String? {
    let count = configuration.layerCount
    if let layer = layer(of: name), layer >= count { return "layer \(layer) of a model of \(count) layers" }
    return meanings.first { "/\(name)".contains($0.part) }?.meaning
  }

  /// A part of tensors' names, which begin with a stroke here, and what the tensors are. A new kind is one entry.
  private static let meanings: [(part: String, meaning: String)] = [
    (".input_scale", "the scale of an activation"), (".scale", "the scale of a quantised weight"),
    ("lora", "part of a LoRA adapter"),
    ("/rope_factors", "factors of LongRoPE, which 'rope.scaling.type' does not ask for"),
    ("/rope_freqs", "divisors of the rotary frequencies, which llama.cpp does not read beside LongRoPE"),
    ("/mm.", "part of an image projector"), ("/v.", "part of an image encoder"),
    ("/a.", "part of a sound encoder"), ("nextn", "part of a head that predicts further tokens"),
    ("attn_qkv", "query, key and value in one, which are stored one by one, too"), ("attn_q_norm", "a norm of queries"),
    ("attn_k_norm", "a norm of keys"), ("attn_sinks", "an attention sink"), ("attn_gate", "a gate of the attention"),
    ("_exps", "the weights of experts"), ("_shexp", "the weights of a shared expert"),
    ("ffn_gate_inp", "the router of experts"), ("sub_norm", "a norm inside a layer"),
    ("post_", "a norm inside a layer"),
    ("_norm.bias", "the shift of a LayerNorm"), ("attn_norm_2", "a second norm of a layer"),
    ("/output.bias", "a bias of the output head"), ("/position_embd", "an embedding of positions"),
    ("/token_types", "an embedding of token types"), ("/token_embd_norm", "a norm of the embedding"),
    ("/cls", "the head of a classifier"), ("ssm_", "part of a state-space layer"),
    (".bias", "a bias"),
  ]
}
