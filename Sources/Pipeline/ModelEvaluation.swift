import Calibration
import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Runtime

/// Measures a model on text files: perplexity, and how it compares with a dense one.
public struct ModelEvaluation: Sendable {
  /// One file at one window length.
  public struct Measurement: Sendable {
    public var file: String
    /// Tokens in a window.
    public var window: Int
    public var windows: Int
    /// Tokens in all windows; each window scores one fewer.
    public var tokens: Int
    public var meanNLL: Double
    public var perplexity: Double
    /// Of the dense model, where one was given.
    public var densePerplexity: Double?
    /// Mean KL divergence from the dense model, in nats per token.
    public var divergence: Double?
    public var topOneAgreement: Double?
    /// Tokens run through the model, or both models, per second.
    public var tokensPerSecond: Double
  }

  /// A text as tokens of the model.
  public struct Text: Sendable {
    public var name: String
    public var tokens: [Int32]
  }

  public let model: LanguageModel
  public let dense: LanguageModel?
  /// The rule by which texts get a beginning-of-sequence token, in words.
  public let bosRule: String

  /// Windows are measured in groups of about this many tokens, which bounds memory.
  private static let groupTokens = 8192

  public init(model: URL, dense: URL?, memory: MemoryPlan = MemoryPlan()) throws {
    self.model = try LanguageModel(model, memory: memory)
    self.dense = try dense.map { try LanguageModel($0, memory: memory) }
    let tokenizer = try self.model.tokenizer()
    bosRule = Self.rule(tokenizer.prefix)
    if let dense = self.dense, dense.configuration.vocabularySize != self.model.configuration.vocabularySize {
      throw PipelineError.invalidOption(
        "--dense has a vocabulary of \(dense.configuration.vocabularySize), the model one of "
          + "\(self.model.configuration.vocabularySize)")
    }
  }

  /// Of the model, and of the dense one beside it.
  public var context: ContextLimit {
    let own = ContextLimit(model)
    guard let other = dense.map({ ContextLimit($0) }), other.tokens < own.tokens else { return own }
    return other
  }

  private static func rule(_ prefix: [Int32]) -> String {
    switch prefix.count {
    case 0: "none"
    case 1: "one at the start of the text (token \(prefix[0]))"
    default: "\(prefix.count) at the start of the text (tokens \(prefix.map { "\($0)" }.joined(separator: ", ")))"
    }
  }

  /// Reads a text.
  ///
  /// - Parameter longestWindow: in tokens.
  /// - Throws: `CalibrationError` for texts that are missing, empty or shorter than the window, `ModelError` for tokens that
  ///   the model does not embed.
  public func read(_ source: CalibrationSource, called name: String, longestWindow: Int) throws -> Text {
    let tokenizer = try model.tokenizer()
    let tokens = try model.checked(tokenizer.runningTokens(TextCorpus.read(source)), of: name, tokenizer)
    let text = Text(name: name, tokens: tokens)
    guard text.tokens.count >= longestWindow else {
      throw CalibrationError.tooShort(source: name, tokens: text.tokens.count, window: longestWindow, needed: 1)
    }
    return text
  }

  /// - Parameters:
  ///   - window: in tokens, at most as many as the text has.
  ///   - limit: most windows to measure; `nil` takes all.
  public func measure(_ text: Text, window: Int, limit: Int?) throws -> Measurement {
    let count = min(text.tokens.count / window, limit ?? .max)
    guard count > 0 else {
      throw CalibrationError.tooShort(source: text.name, tokens: text.tokens.count, window: window, needed: 1)
    }
    let windows = TokenWindows(length: window, tokens: Array(text.tokens.prefix(count * window)))
    let start = Date()
    var losses: [Double] = []
    var denseLosses: [Double] = []
    var divergence = 0.0
    var agreement = 0.0
    let group = max(1, Self.groupTokens / window)
    for first in stride(from: 0, to: count, by: group) {
      let part = windows.windows(first..<min(first + group, count))
      if let dense {
        let reference = try DenseReference(dense, windows: part, head: model.head)
        let comparison = try reference.compare(model)
        losses += comparison.perplexity.windowMeans
        denseLosses += reference.perplexity.windowMeans
        divergence += comparison.divergence * Double(part.count)
        agreement += comparison.topOneAgreement * Double(part.count)
      } else {
        losses += try Perplexity(model, windows: part).windowMeans
      }
    }
    let seconds = Date().timeIntervalSince(start)
    let mean = losses.reduce(0, +) / Double(count)
    let compared = dense != nil
    return Measurement(
      file: text.name, window: window, windows: count, tokens: count * window, meanNLL: mean, perplexity: exp(mean),
      densePerplexity: compared ? exp(denseLosses.reduce(0, +) / Double(count)) : nil,
      divergence: compared ? divergence / Double(count) : nil,
      topOneAgreement: compared ? agreement / Double(count) : nil,
      tokensPerSecond: Double(count * window) / max(seconds, 1e-9))
  }

  /// A line for every text that the model was calibrated on, as far as its record (`nas_search.json`) says.
  public func calibrationWarnings(_ sources: [CalibrationSource]) throws -> [String] {
    guard let record = model.exportRecord, let sets = record["calibration_sets"]?.array else { return [] }
    return try sources.compactMap { source in
      guard let url = source.url else { return nil }
      let hash = try CalibrationFile.sha256(of: url)
      guard sets.contains(where: { $0["sha256"]?.string == hash }) else { return nil }
      return "\(url.path) is the text that this subnet was calibrated on: its perplexity flatters"
    }
  }
}

extension LanguageModel {
  /// The record that an export of ours carries; `nil` for other models.
  var exportRecord: JSONValue? {
    if let file = checkpoint as? GGUFFile {
      return file["nas_search.record"]?.string.flatMap { try? JSONValue.parse($0, file: location.path) }
    }
    return try? JSONValue.read(location.appendingPathComponent("nas_search.json"))
  }
}
