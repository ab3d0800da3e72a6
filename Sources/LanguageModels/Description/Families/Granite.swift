import Checkpoints

extension Family {
  /// Granite 3 and 4, dense: Llama with four multipliers, which are folded into the weights when they are read. So its
  /// subnets are Llama's.
  public static let granite = Family(
    name: "granite", architectures: ["GraniteForCausalLM"], modelTypes: ["granite"], ggufArchitectures: ["granite"],
    ggufInterleavesRotaryRows: true, biases: .configured, window: .none,
    defaults: Defaults(vocabulary: 32_000, channels: 11_008, context: 2048, bosToken: 1, eosTokens: [2]),
    readHuggingFace: { config, configuration in
      func number(_ key: String) throws -> Double { try config.doubleIfPresent(key) ?? 1 }
      try fold(
        &configuration, config.file, embedding: number("embedding_multiplier"), residual: number("residual_multiplier"),
        scores: number("attention_multiplier"), logits: number("logits_scaling"))
    },
    readGGUF: { file, architecture, configuration in
      func number(_ name: String) throws -> Double? {
        try file.floatIfPresent("\(architecture).\(name)").flatMap { $0 == 0 ? nil : $0 }
      }
      let standard = 1 / Double(configuration.headDimension).squareRoot()
      try fold(
        &configuration, file.location.path, embedding: number("embedding_scale") ?? 1,
        residual: number("residual_scale") ?? 1,
        scores: number("attention.scale") ?? standard, logits: number("logit_scale") ?? 1)
    },
    ggufKeys: ["embedding_scale", "residual_scale", "attention.scale", "logit_scale"])

  /// The network with its multipliers in the weights: the stream is `embedding` times as long from its beginning, and
  /// the final norm does not see it.
  private static func fold(
    _ configuration: inout ModelConfiguration, _ file: String, embedding: Double, residual: Double, scores: Double,
    logits: Double
  ) throws {
    guard [embedding, residual, scores, logits].allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw ModelError.invalidConfiguration(
        file: file,
        problem:
          "the multipliers of embedding, residuals, scores and logits are \(embedding), \(residual), \(scores) and "
          + "\(logits); all must be positive")
    }
    let head = configuration.tiedEmbeddings ? logits * embedding : logits
    configuration.folded = WeightScales(
      parts: [
        .query: Float(scores * Double(configuration.headDimension).squareRoot()), .output: Float(residual),
        .down: Float(residual),
      ], embedding: Float(embedding), finalNorm: Float(1 / head))
  }
}
