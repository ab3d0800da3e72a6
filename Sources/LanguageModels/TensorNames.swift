import Checkpoints

/// What the tensors of a checkpoint are called in one file format.
public struct TensorNames: Sendable {
  public private(set) var embedding: String
  public let finalNorm: String
  public let head: String
  /// What stands before the number of a layer.
  let layerPrefix: String
  private let parts: [LayerPart: String]

  /// Name of a part's weight.
  public func weight(_ part: LayerPart, layer: Int) -> String { "\(layerPrefix)\(layer).\(parts[part] ?? "").weight" }
  /// Name of a part's bias.
  public func bias(_ part: LayerPart, layer: Int) -> String { "\(layerPrefix)\(layer).\(parts[part] ?? "").bias" }

  public static let huggingFace = huggingFace(prefix: "model.")

  /// The names in a checkpoint: with or without the `model.` that a base model saved alone lacks.
  public static func huggingFace(in checkpoint: some Checkpoint) -> TensorNames {
    let bare = huggingFace(prefix: "")
    return checkpoint.contains(bare.finalNorm) && !checkpoint.contains(huggingFace.finalNorm) ? bare : huggingFace
  }

  private static func huggingFace(prefix: String) -> TensorNames {
    TensorNames(
      embedding: prefix + "embed_tokens.weight", finalNorm: prefix + "norm.weight", head: "lm_head.weight",
      layerPrefix: prefix + "layers.",
      parts: [
        .attentionNorm: "input_layernorm", .query: "self_attn.q_proj", .key: "self_attn.k_proj",
        .value: "self_attn.v_proj", .queryNorm: "self_attn.q_norm", .keyNorm: "self_attn.k_norm",
        .output: "self_attn.o_proj", .mlpNorm: "post_attention_layernorm",
        .gate: "mlp.gate_proj", .up: "mlp.up_proj", .down: "mlp.down_proj",
      ])
  }

  /// The same with the embedding under the name of the head, for a tied checkpoint that stores only that.
  func takingEmbeddingFromHead() -> TensorNames {
    var result = self
    result.embedding = head
    return result
  }

  public static let gguf = TensorNames(
    embedding: "token_embd.weight", finalNorm: "output_norm.weight", head: "output.weight", layerPrefix: "blk.",
    parts: [
      .attentionNorm: "attn_norm", .query: "attn_q", .key: "attn_k", .value: "attn_v", .queryNorm: "attn_q_norm",
      .keyNorm: "attn_k_norm", .output: "attn_output", .mlpNorm: "ffn_norm", .gate: "ffn_gate", .up: "ffn_up",
      .down: "ffn_down",
    ])
}
