/// The dense model that was searched.
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
  /// Intermediate width of a layer's MLP.
  public var mlpChannels: Int
  public var headDimension: Int

  public init(
    name: String, fingerprint: String, architecture: String, parametersTotal: Int, parametersBlock: Int, layers: Int,
    kvGroupsPerLayer: Int, queryHeadsPerGroup: Int, mlpChannels: Int, headDimension: Int
  ) {
    self.name = name
    self.fingerprint = fingerprint
    self.architecture = architecture
    self.parametersTotal = parametersTotal
    self.parametersBlock = parametersBlock
    self.layers = layers
    self.kvGroupsPerLayer = kvGroupsPerLayer
    self.queryHeadsPerGroup = queryHeadsPerGroup
    self.mlpChannels = mlpChannels
    self.headDimension = headDimension
  }
}

/// One effective setting of the search, both sides as a person would read them.
public struct Setting: Codable, Equatable, Sendable {
  public var key: String
  public var value: String

  public init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

/// How much of the variation of an objective one gene of the search explains alone.
public struct GeneShare: Codable, Equatable, Sendable {
  /// As the search space names it, for example `layers.3.mlp` or `score`.
  public var name: String
  /// 0…1. Shares need not sum to 1.
  public var share: Double

  public init(_ name: String, _ share: Double) {
    self.name = name
    self.share = share
  }
}

/// The token windows on which candidates were compared with the dense model.
public struct FitnessSummary: Codable, Equatable, Sendable {
  /// Where the text came from, in words.
  public var source: String
  public var windows: Int
  /// Tokens in a window.
  public var windowLength: Int
  /// Predicted positions in all windows together.
  public var tokens: Int

  public init(source: String, windows: Int, windowLength: Int, tokens: Int) {
    self.source = source
    self.windows = windows
    self.windowLength = windowLength
    self.tokens = tokens
  }
}

/// How long a search may go on: a number of evaluations, seconds of wall clock, or both, whichever ends first.
public struct SearchBudget: Codable, Equatable, Sendable {
  public var evaluations: Int?
  public var seconds: Double?

  public init(evaluations: Int? = nil, seconds: Double? = nil) {
    self.evaluations = evaluations
    self.seconds = seconds
  }
}
