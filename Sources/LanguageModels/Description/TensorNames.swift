import Checkpoints

/// The names of a checkpoint's tensors in one file format.
public struct TensorNames: Sendable {
  public private(set) var embedding: String
  public let finalNorm: String
  public let head: String
  /// The text before the number of a layer.
  let layerPrefix: String
  private let parts: [LayerPart: PartName.Tensors]
  /// The parts whose rows are one tensor.
  let joinedParts: [JoinedParts]
  /// Whether experts are stored as `ExpertRule.joinsGateAndUp` says.
  public let joinsGateAndUp: Bool

  init(
    embedding: String, finalNorm: String, head: String, layerPrefix: String, parts: [LayerPart: PartName.Tensors],
    joinedParts: [JoinedParts], joinsGateAndUp: Bool = false
  ) {
    (self.embedding, self.finalNorm, self.head, self.layerPrefix) = (embedding, finalNorm, head, layerPrefix)
    (self.parts, self.joinedParts, self.joinsGateAndUp) = (parts, joinedParts, joinsGateAndUp)
  }

  /// Name of any tensor of a layer.
  public func inLayer(_ layer: Int, _ name: String) -> String { "\(layerPrefix)\(layer).\(name)" }
  /// Name of a part's weight.
  public func weight(_ part: LayerPart, layer: Int) -> String { inLayer(layer, parts[part]?.weight ?? "") }
  /// Whether each expert has a tensor of its own for a part.
  public func isByExpert(_ part: LayerPart) -> Bool { parts[part]?.weight.contains("#") ?? false }
  /// The names of the tensors that hold a part's weight: one, or one for each of the experts.
  public func weights(_ part: LayerPart, layer: Int, of shape: LayerShape) -> [String] {
    let name = weight(part, layer: layer)
    return isByExpert(part) ? (0..<shape.mlpChannels).map { name.replacing("#", with: "\($0)") } : [name]
  }
  /// Name of a part's bias.
  public func bias(_ part: LayerPart, layer: Int) -> String { inLayer(layer, parts[part]?.bias ?? "") }

  public static func huggingFace(_ family: Family) -> TensorNames { huggingFace(family, prefix: "model.") }

  /// The names in a checkpoint: those of a dialect, or with or without the `model.` that a base model saved alone
  /// lacks.
  public static func huggingFace(_ family: Family, in checkpoint: some Checkpoint) -> TensorNames {
    if let dialect = family.dialects.first(where: { checkpoint.contains($0.names.finalNorm) }) { return dialect.names }
    let (full, bare) = (huggingFace(family), huggingFace(family, prefix: ""))
    return checkpoint.contains(bare.finalNorm) && !checkpoint.contains(full.finalNorm) ? bare : full
  }

  private static func huggingFace(_ family: Family, prefix: String) -> TensorNames {
    TensorNames(
      embedding: prefix + "embed_tokens.weight", finalNorm: prefix + "norm.weight", head: "lm_head.weight",
      layerPrefix: prefix + "layers.", parts: family.partNames.mapValues(\.huggingFace),
      joinedParts: family.joinedParts, joinsGateAndUp: family.experts?.joinsGateAndUp ?? false)
  }

  /// The same with the embedding under the name of the head, for a tied checkpoint that stores only that.
  func takingEmbeddingFromHead() -> TensorNames {
    var result = self
    result.embedding = head
    return result
  }

  public static func gguf(_ family: Family) -> TensorNames {
    TensorNames(
      embedding: "token_embd.weight", finalNorm: "output_norm.weight", head: "output.weight", layerPrefix: "blk.",
      parts: family.partNames.mapValues(\.gguf), joinedParts: family.joinedParts)
  }
}
