/// One effective setting of the search, both sides as a person would read them.
public struct Setting: Codable, Equatable, Sendable {
  public var key: String
  public var value: String

  public init(_ key: String, _ value: String) {
    (self.key, self.value) = (key, value)
  }
}

/// How much of the variation of an objective one gene of the search explains alone.
public struct GeneShare: Codable, Equatable, Sendable {
  /// As the search space names it, for example `layers.3.mlp` or `score`.
  public var name: String
  /// 0…1. Shares need not sum to 1.
  public var share: Double

  public init(_ name: String, _ share: Double) {
    (self.name, self.share) = (name, share)
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
    (self.source, self.windows, self.windowLength, self.tokens) = (source, windows, windowLength, tokens)
  }
}
