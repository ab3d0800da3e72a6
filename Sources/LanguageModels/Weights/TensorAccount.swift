import Checkpoints

/// Accounts for every tensor of a Hugging Face folder: each is read, or known to be no part of the network, or else the model is
/// refused, because what is left unread may be what makes it another network.
struct TensorAccount {
  let checkpoint: any Checkpoint
  let names: TensorNames
  let configuration: ModelConfiguration
  let encoding: WeightEncoding

  /// Buffers that early files hold and every reader computes anew.
  private static let buffers = [
    "rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached", "position_ids",
    "self_attn.masked_bias",
  ]

  /// What a stray tensor may be, by a part of its name; the first that fits.
  private static let meanings: [(part: String, meaning: String)] = [
    ("lora_", "it belongs to an adapter; merge that first (merge_and_unload of peft)"),
    (".qweight", packed), (".qzeros", packed), (".g_idx", packed), (".scales", packed), (".biases", packed),
    (".SCB", packed), (".absmax", packed), (".quant_map", packed), (".quant_state", packed), (".weight_format", packed),
    (".weight_packed", packed), ("weight_scale", packed), ("zero_point", packed), (".bitmask", packed),
    (".compressed", packed),
    (".q_norm", "queries or keys are normalised"), (".k_norm", "queries or keys are normalised"),
    (".experts.", "a mixture of experts"), ("block_sparse_moe", "a mixture of experts"),
    ("score.", "the head of a classifier"), ("classifier", "the head of a classifier"),
    ("vision", "a part for pictures"), ("visual", "a part for pictures"), ("mm_projector", "a part for pictures"),
    ("feedforward_layernorm", "a norm behind the MLP or the attention"), (".mtp", "layers that predict further tokens"),
  ]
  private static let packed =
    "it belongs to quantised weights, of which the configuration says nothing; \(WeightEncoding.original)"

  /// - Throws: `ModelError.unusedTensor` for the first in the file's order.
  func check() throws {
    var used = Set([names.embedding, names.finalNorm, names.head])
    var dropped = Set<String>()
    for (index, shape) in configuration.layers.enumerated() {
      for part in configuration.parts(of: shape) {
        let bias = names.bias(part, layer: index)
        used.formUnion(names.weights(part, layer: index, of: shape))
        try checkBlocks(names.weight(part, layer: index))
        if configuration.hasBias(part) { used.insert(bias) } else if part.isLinear { dropped.insert(bias) }
      }
    }
    var strays: [String] = []
    var biases: [String] = []
    var hasActivationScales = false
    for name in checkpoint.tensorNames where !used.contains(name) {
      if dropped.contains(name) {
        biases.append(name)
      } else if isActivationScale(name) {
        hasActivationScales = true
      } else if try !isScale(name, of: used), !Self.buffers.contains(where: { name.hasSuffix($0) }) {
        strays.append(name)
      }
    }
    if let first = strays.first { throw stray(first, others: strays.count - 1) }
    tell(biases, hasActivationScales)
  }

  /// - Throws: `ModelError.contradiction` for a matrix that is stored in blocks and plainly.
  private func checkBlocks(_ name: String) throws {
    let blocks = name + WeightEncoding.blockSuffixes[0]
    guard encoding == .mxfp4, checkpoint.contains(name), checkpoint.contains(blocks) else { return }
    throw ModelError.contradiction(
      file: try checkpoint.tensor(name).file, first: name, "stored", second: blocks, "stored, too")
  }

  /// Whether a tensor is the scale of a matrix of 8-bit floats that is read, or a part of one in blocks of 4-bit floats.
  private func isScale(_ name: String, of used: Set<String>) throws -> Bool {
    if encoding == .mxfp4, let suffix = WeightEncoding.blockSuffixes.first(where: name.hasSuffix) {
      return used.contains(String(name.dropLast(suffix.count)))
    }
    for suffix in WeightEncoding.scaleSuffixes where name.hasSuffix(suffix) {
      let weight = String(name.dropLast(suffix.count))
      if used.contains(weight), checkpoint.contains(weight) { return try checkpoint.tensor(weight).type.isFloat8 }
    }
    return false
  }

  private func isActivationScale(_ name: String) -> Bool {
    encoding != .plain && WeightEncoding.activationSuffixes.contains { name.hasSuffix($0) }
  }

  private func stray(_ name: String, others: Int) -> ModelError {
    let prefix = names.layerPrefix
    let number = name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count).prefix { $0 != "." }) : nil
    let beyond = number.flatMap { $0 >= configuration.layerCount ? $0 : nil }
    let meaning =
      beyond.map { "layer \($0) of a model of \(configuration.layerCount) layers" }
      ?? Self.meanings.first { name.contains($0.part) }?.meaning
    let file = (try? checkpoint.tensor(name).file) ?? checkpoint.location.path
    return .unusedTensor(file: file, tensor: name, others: others, meaning: meaning)
  }

  private func tell(_ biases: [String], _ hasActivationScales: Bool) {
    let path = checkpoint.location.path
    var seen = Set<String>()
    let biases = biases.map { (try? checkpoint.tensor($0).storedName) ?? $0 }.filter { seen.insert($0).inserted }
    if let first = biases.first {
      Notices.tell(
        "\(path): the configuration says that there are no biases such as '\(first)', but \(biases.count) are stored; "
          + "they are left out, as in transformers")
    }
    if hasActivationScales {
      Notices.tell(
        "\(path): scales of activations are stored; activations are not quantised here, only the weights are scaled")
    }
  }
}
