import Calibration
import Checkpoints
import Foundation

/// Which tokens of a model's vocabulary are to stay.
public struct VocabularyRequest: Codable, Equatable, Sendable {
  /// Texts whose tokens are counted.
  public var texts: [CalibrationSource]
  /// Most tokens that stay; `nil` for all that the texts use.
  public var limit: Int?
  /// Texts on which the vocabulary is tried; the last tenth of `texts` where there are none.
  public var heldOut: [CalibrationSource]

  public init(texts: [CalibrationSource], limit: Int? = nil, heldOut: [CalibrationSource] = []) {
    (self.texts, self.limit, self.heldOut) = (texts, limit, heldOut)
  }

  /// All tokens stay.
  public static let whole = VocabularyRequest(texts: [])

  /// The files that are read.
  var files: [URL] { (texts + heldOut).compactMap(\.url) }

  /// Whether all tokens stay.
  public var isEmpty: Bool { texts.isEmpty && limit == nil }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(limit.map { $0 > 0 } ?? true, "--keep-tokens is a number of tokens above 0")
    try PipelineError.require(
      heldOut.isEmpty || !isEmpty, "--held-out goes with --vocabulary or --keep-tokens: it tries the tokens that stay")
    try PipelineError.require(
      !(texts + heldOut).contains { $0.url == nil }, "--vocabulary and --held-out take text files, not 'self'")
  }
}

/// What became of a vocabulary.
public struct VocabularyOutcome: Sendable, Equatable {
  /// The tokens of a text before and after.
  public struct Trial: Sendable, Equatable {
    /// The text in words.
    public let text: String
    public let parentTokens: Int
    public let tokens: Int

    /// Tokens that the text takes more, as a share.
    public var growth: Double { Double(tokens) / Double(max(1, parentTokens)) - 1 }
  }

  /// Rows of the embedding before and after.
  public let parentTokens: Int
  public let tokens: Int
  /// The share of the bytes of all weights that went: of the network that is written, not of its parent.
  public let savedShare: Double
  public let trial: Trial?
  /// For the records of exports.
  public let record: JSONValue
}

extension VocabularyOutcome.Trial {
  public var record: JSONValue {
    [
      "text": .string(text), "parent_tokens": .integer(parentTokens), "tokens": .integer(tokens),
      "growth": .number(growth),
    ]
  }
}
