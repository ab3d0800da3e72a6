import Checkpoints

extension Family {
  /// Granite 3 and 4, dense: Llama with four multipliers, which are folded into the weights when they are read. So its
  /// subnets are Llama's.
  public static let granite = Family(
    name: "granite", architectures: ["GraniteForCausalLM"], modelTypes: ["granite"], ggufArchitectures: ["granite"],
    ggufInterleavesRotaryRows: true, biases: .configured, window: .none,
    defaults: Defaults(vocabulary: 32_000, channels: 11_008, context: 2048, bosToken: 1, eosTokens: [2]),
    readHuggingFace: { config, configuration in
      func number(_ key: String) throws -> Multiplier { (key, try config.doubleIfPresent(key) ?? 1) }
      try fold(
        &configuration, config.file, embedding: number("embedding_multiplier"), residual: number("residual_multiplier"),
        scores: number("attention_multiplier"), logits: number("logits_scaling"))
    },
    readGGUF: { file, architecture, configuration in
      func number(_ name: String, _ otherwise: Double = 1) throws -> Multiplier {
        let key = "\(architecture).\(name)"
        return (key, try file.floatIfPresent(key).flatMap { $0 == 0 ? nil : $0 } ?? otherwise)
      }
      try fold(
        &configuration, file.location.path, embedding: number("embedding_scale"), residual: number("residual_scale"),
        scores: number("attention.scale", 1 / Double(configuration.headDimension).squareRoot()),
        logits: number("logit_scale"))
    },
    ggufKeys: ["embedding_scale", "residual_scale", "attention.scale", "logit_scale"])

  private typealias Multiplier = (key: String, value: Double)

  /// The network with its multipliers in the weights: the stream is `embedding` times as long from its beginning, and
  /// the final norm does not see it.
  private static func fold(
    _ configuration: inout ModelConfiguration, _ file: String, embedding: Multiplier, residual: Multiplier,
    scores: Multiplier, logits: Multiplier
  ) throws {
    for (key, value) in [embedding, residual, scores, logits] where !(value > 0 && value.isFinite) {
      throw ModelError.invalidConfiguration(
        file: file, problem: "the multiplier \(key) is \(value); it must be positive")
    }
    let (embedding, residual, scores, logits) = (embedding.value, residual.value, scores.value, logits.value)
    let head = configuration.tiedEmbeddings ? logits * embedding : logits
    configuration.folded = WeightScales(
      parts: [
        .query: Float(scores * Double(configuration.headDimension).squareRoot()), .output: Float(residual),
        .down: Float(residual),
      ], embedding: Float(embedding), finalNorm: Float(1 / head))
  }
}
