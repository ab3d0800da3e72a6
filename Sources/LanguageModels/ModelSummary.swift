/// A model in a few numbers, as a study stores it and as reports show it.
public struct ModelSummary: Codable, Equatable, Sendable {
  /// Display name, without a path.
  public var name: String
  /// Hash of the weights, as the program names a model.
  public var fingerprint: String
  /// Architecture as the checkpoint names it, for example `llama`.
  public var architecture: String
  public var parametersTotal: Int
  /// Parameters inside the decoder blocks: everything but embeddings, final norm and output head.
  public var parametersBlock: Int
  public var layers: Int
  /// KV heads of a layer, each with its query heads.
  public var kvGroupsPerLayer: Int
  public var queryHeadsPerGroup: Int
  /// Intermediate width of a layer's MLP, or its number of experts.
  public var mlpChannels: Int
  public var headDimension: Int
  /// Whether the MLPs are mixtures of experts; `nil` for no.
  public var hasExperts: Bool?

  /// The word for what `mlpChannels` counts.
  public var mlpUnits: String { hasExperts == true ? "experts" : "MLP channels" }
}

extension ModelSummary {
  public init(name: String, fingerprint: String, _ configuration: ModelConfiguration) {
    self.init(
      name: name, fingerprint: fingerprint, architecture: configuration.family.name,
      parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      layers: configuration.layerCount, kvGroupsPerLayer: configuration.layers.map(\.kvHeads).max() ?? 0,
      queryHeadsPerGroup: configuration.layers.first?.queriesPerGroup ?? 0,
      mlpChannels: configuration.layers.map(\.mlpChannels).max() ?? 0, headDimension: configuration.headDimension,
      hasExperts: configuration.block.experts == nil ? nil : true)
  }
}
