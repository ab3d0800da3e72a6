import Calibration
import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Runtime

/// Texts that a model is to be measured on.
public struct EvaluateRequest: Codable, Equatable, Sendable {
  /// The texts, none of them the model's own.
  public var texts: [CalibrationSource]
  /// Tokens in a window, of every length that is measured; `nil` for the standard ones, as far as the context allows.
  public var windowLengths: [Int]?
  /// Maximum number of windows of each text and length; `nil` for all.
  public var windows: Int?

  public static let standardLengths = [2048, 128]

  public init(texts: [CalibrationSource]) { self.texts = texts }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(!texts.isEmpty, "--text needs at least one file")
    try PipelineError.require(
      windowLengths.map { !$0.isEmpty && $0.allSatisfy { $0 >= 2 } } ?? true,
      "--window-length is a list of lengths of at least 2, such as 2048,128")
    try PipelineError.require(windows ?? 1 >= 1, "--windows must be at least 1")
  }

  /// The lengths that are measured: each once.
  func lengths(within context: ContextLimit) -> [Int] {
    func length(_ given: Int?, _ standard: Int) -> Int {
      context.length(given, default: standard, option: "--window-length")
    }
    let lengths = windowLengths?.map { length($0, $0) } ?? Self.standardLengths.map { length(nil, $0) }
    return lengths.indices.filter { !lengths[..<$0].contains(lengths[$0]) }.map { lengths[$0] }
  }
}

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

  /// What is to be measured, told before the first measurement.
  public struct Subject: Sendable, Monitor.Event {
    public let configuration: ModelConfiguration
    /// The rule by which texts get a beginning-of-sequence token, in words.
    public let bosRule: String
  }

  public struct Outcome: Sendable {
    public let subject: Subject
    /// Of every text at every length.
    public let measurements: [Measurement]
  }

  /// A text as tokens of the model.
  typealias Text = (name: String, tokens: [Int32])

  /// The models, and the texts with the lengths of their windows.
  struct Prepared {
    let model: LanguageModel
    let dense: LanguageModel?
    let texts: [Text]
    let lengths: [Int]
    let subject: Subject
  }

  private let request: EvaluateRequest
  private let models: EvaluatedModels

  public init(_ request: EvaluateRequest, of models: EvaluatedModels) {
    (self.request, self.models) = (request, models)
  }

  /// Reads the texts, then gives the model its weights.
  ///
  /// - Throws: whatever is wrong with the request, before anything is measured: `CalibrationError` for texts that are missing,
  ///   empty or shorter than a window, `ModelError` for tokens that the model does not embed.
  func prepare(_ monitor: Monitor) throws -> Prepared {
    try request.validate()
    try models.checkVocabularies()
    let (base, dense) = (models.base, models.dense)
    let (own, other) = (base.configuration, (dense ?? base).configuration)
    let tokenizer = try base.tokenizer()
    let shortest = other.longestContext < own.longestContext ? dense ?? base : base
    let lengths = request.lengths(within: ContextLimit(shortest))
    let longest = lengths.max() ?? 2
    let texts = try request.texts.map { source in
      let name = source.url?.relativePath ?? source.name
      let tokens = try base.checked(tokenizer.runningTokens(TextCorpus.read(source)), of: name, tokenizer)
      guard tokens.count >= longest else {
        throw CalibrationError.tooShort(source: name, tokens: tokens.count, window: longest, needed: 1)
      }
      return Text(name: name, tokens: tokens)
    }
    for warning in try warnings() { monitor.tell(JobWarning(text: warning)) }
    let model = try models.model(monitor)
    return Prepared(
      model: model, dense: dense, texts: texts, lengths: lengths,
      subject: Subject(
        configuration: model.configuration, bosRule: Self.rule(tokenizer.prefix)))
  }

  /// Measures every text at every length.
  ///
  /// - Parameter monitor: hears of the `Subject`, and of each `Measurement` when it is there.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let prepared = try prepare(monitor)
    monitor.tell(prepared.subject)
    let measurements = try prepared.texts.flatMap { text in
      try prepared.lengths.map { length in
        let measured = try measure(text, window: length, prepared, monitor)
        monitor.tell(measured)
        return measured
      }
    }
    return Outcome(subject: prepared.subject, measurements: measurements)
  }

  private func measure(
    _ text: Text, window: Int, _ prepared: Prepared, _ monitor: Monitor
  ) throws -> Measurement {
    let (model, dense) = (prepared.model, prepared.dense)
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
    for (network, losses) in [(model, losses)] + (dense.map { [($0, denseLosses)] } ?? []) {
      try PipelineError.require(
        losses.allSatisfy(\.isFinite),
        "\(network.location.path): its logits on '\(text.name)' are not finite, and so no number can be told")
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

  private func warnings() throws -> [String] {
    let known = models.calibrationHashes
    if known.isEmpty { return [] }
    return try request.texts.compactMap { source in
      guard let url = source.url, known.contains(try CalibrationFile.sha256(of: url)) else { return nil }
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
