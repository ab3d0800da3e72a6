import Calibration
import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Runtime

/// Measures a model on text files: perplexity, and how it compares with a dense one.
public struct EvaluateJob {
  /// One file at one window length.
  public struct Measurement: Sendable, Monitor.Event {
    public let file: String
    /// Tokens in a window.
    public let window: Int
    public let windows: Int
    /// Tokens in all windows; each window scores one fewer.
    public let tokens: Int
    public let meanNLL: Double
    /// Perplexity of the dense model, if one was given.
    public let densePerplexity: Double?
    /// Mean KL divergence from the dense model, in nats per token.
    public let divergence: Double?
    public let topOneAgreement: Double?
    /// Tokens run through the model, or both models, per second.
    public let tokensPerSecond: Double

    public var perplexity: Double { exp(meanNLL) }
  }

  /// A text as tokens of the model.
  private struct Text {
    let name: String
    let tokens: [Int32]
  }

  public let model: LanguageModel
  /// The rule by which texts get a beginning-of-sequence token, in words.
  public let bosRule: String
  /// Lines about texts that the model was calibrated on, as far as its record says.
  public let warnings: [String]
  private let dense: LanguageModel?
  private let request: EvaluateRequest
  private let lengths: [Int]
  private let texts: [Text]

  /// Opens the models and reads the texts.
  ///
  /// - Throws: whatever is wrong with the request, before anything is measured: `CalibrationError` for texts that are missing,
  ///   empty or shorter than a window, `ModelError` for tokens that the model does not embed.
  public init(_ request: EvaluateRequest, in context: JobContext) throws {
    try request.validate()
    self.request = request
    let model = try LanguageModel(URL(fileURLWithPath: request.model), memory: context.memory)
    dense = try request.dense.map { try LanguageModel(URL(fileURLWithPath: $0), memory: context.memory) }
    self.model = model
    if let dense, dense.configuration.vocabularySize != model.configuration.vocabularySize {
      throw PipelineError.invalidOption(
        "--dense has a vocabulary of \(dense.configuration.vocabularySize), the model one of "
          + "\(model.configuration.vocabularySize)")
    }
    let tokenizer = try model.tokenizer()
    bosRule = Self.rule(tokenizer.prefix)
    let contexts = ([model] + [dense].compactMap { $0 }).map { ContextLimit($0) }
    lengths = request.lengths(within: contexts.min { $0.tokens < $1.tokens } ?? contexts[0])
    let longest = lengths.max() ?? 2
    texts = try request.texts.map { source in
      let name = source.url?.relativePath ?? source.name
      let tokens = try model.checked(tokenizer.runningTokens(TextCorpus.read(source)), of: name, tokenizer)
      guard tokens.count >= longest else {
        throw CalibrationError.tooShort(source: name, tokens: tokens.count, window: longest, needed: 1)
      }
      return Text(name: name, tokens: tokens)
    }
    warnings = try Self.warnings(model, request.texts)
  }

  /// Measures every text at every length.
  ///
  /// - Parameter monitor: hears each `Measurement` when it is there.
  public func run(_ monitor: Monitor = .silent) throws -> [Measurement] {
    try texts.flatMap { text in
      try lengths.map { length in
        let measured = try measure(text, window: length, monitor)
        monitor.tell(measured)
        return measured
      }
    }
  }

  private func measure(_ text: Text, window: Int, _ monitor: Monitor) throws -> Measurement {
    let count = min(text.tokens.count / window, request.windows ?? .max)
    let windows = TokenWindows(length: window, tokens: Array(text.tokens.prefix(count * window)))
    let start = ContinuousClock.now
    var (losses, denseLosses) = ([Double](), [Double]())
    var (divergence, agreement) = (0.0, 0.0)
    for group in windows.groups(ofTokens: Perplexity.groupTokens) {
      try monitor.advance(.init(.texts, of: text.name), group.lowerBound, of: count)
      let part = windows.windows(group)
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
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    func mean(_ sum: Double) -> Double? { dense == nil ? nil : sum / Double(count) }
    return Measurement(
      file: text.name, window: window, windows: count, tokens: count * window,
      meanNLL: losses.reduce(0, +) / Double(count), densePerplexity: mean(denseLosses.reduce(0, +)).map { exp($0) },
      divergence: mean(divergence), topOneAgreement: mean(agreement),
      tokensPerSecond: Double(count * window) / max(seconds, 1e-9))
  }

  private static func rule(_ prefix: [Int32]) -> String {
    switch prefix.count {
    case 0: "none"
    case 1: "one at the start of the text (token \(prefix[0]))"
    default: "\(prefix.count) at the start of the text (tokens \(prefix.map { "\($0)" }.joined(separator: ", ")))"
    }
  }

  private static func warnings(_ model: LanguageModel, _ sources: [CalibrationSource]) throws -> [String] {
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
