import Checkpoints

/// Accounts for every tensor of a GGUF file: it is one that the network is made of, or of a kind that is known to be a copy of
/// what the metadata says, or the file is refused with its name. llama.cpp refuses such files, too.
enum GGUFTensorAccount {
  /// - Throws: `CheckpointError.malformedTensor`.
  static func check(file: GGUFFile, configuration: ModelConfiguration, names: TensorNames) throws {
    let used = used(configuration, names)
    for name in file.tensorNames where !used.contains(name) && !isHarmless(name) {
      throw CheckpointError.malformedTensor(
        file: try file.tensor(name).file, tensor: name, problem: problem(name, configuration))
    }
  }

  private static func used(_ configuration: ModelConfiguration, _ names: TensorNames) -> Set<String> {
    // The rope's factors are read, or refused, where the rotary embedding is.
    var used: Set<String> = [
      names.embedding, names.finalNorm, names.head, "rope_freqs.weight", "rope_factors_long.weight",
      "rope_factors_short.weight",
    ]
    for (index, shape) in configuration.layers.enumerated() {
      for part in LayerPart.allCases where part.isPresent(in: shape) {
        used.insert(names.weight(part, layer: index))
        if part.hasBias(in: configuration) { used.insert(names.bias(part, layer: index)) }
      }
    }
    return used
  }

  /// The inverse frequencies of the rotary embedding, which old converters kept.
  private static func isHarmless(_ name: String) -> Bool {
    name.wholeMatch(of: /(blk\.[0-9]+\.)?(attn_)?rot_embd(\.weight)?/) != nil
  }

  private static func problem(_ name: String, _ configuration: ModelConfiguration) -> String {
    let count = configuration.layerCount
    if let block = name.wholeMatch(of: /blk\.([0-9]+)\..*/).flatMap({ Int($0.1) }), block >= count {
      return "it belongs to layer \(block), counted from 0, but 'block_count' is \(count)"
    }
    let meaning = meanings.first { "/\(name)".contains($0.part) }.map { " (\($0.meaning))" } ?? ""
    return
      "it is not part of a '\(configuration.family.name)' network as it is read here\(meaning), and without it the "
      + "network would be another"
  }

  /// A part of tensors' names, which begin with a stroke here, and what the tensors are. A new kind is one entry.
  private static let meanings: [(part: String, meaning: String)] = [
    (".input_scale", "the scale of an activation"), (".scale", "the scale of a quantised weight"),
    ("lora", "part of a LoRA adapter"), ("/mm.", "part of an image projector"), ("/v.", "part of an image encoder"),
    ("/a.", "part of a sound encoder"), ("nextn", "part of a head that predicts further tokens"),
    ("attn_qkv", "query, key and value in one"), ("attn_q_norm", "a norm of queries"),
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
