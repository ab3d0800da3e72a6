import Calibration
import Foundation
import LanguageModels
import Runtime
import Tokenizers

/// Texts, pieces of which a model is to continue.
public struct ContinuationRequest: Codable, Equatable, Sendable {
  public var texts: [CalibrationSource]
  /// Pieces of each text, at even distances.
  public var count: Int
  /// Largest number of tokens behind a piece.
  public var tokens = Self.standardTokens
  /// Tokens of a piece.
  public var promptTokens = 32

  public static let standardTokens = 64

  public init(texts: [CalibrationSource], count: Int) { (self.texts, self.count) = (texts, count) }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(!texts.isEmpty, "--generate needs --text, pieces of which are continued")
    try PipelineError.require(count >= 1, "--generate must be at least 1")
    try PipelineError.require(tokens >= 1, "--generate-tokens must be at least 1")
  }
}

/// Continues pieces of texts by the most likely tokens, to see how a model writes, beside a dense one.
public struct ContinuationJob {
  /// What a model wrote.
  public struct Written: Sendable, Equatable {
    public let text: String
    /// Tokens that were drawn.
    public let tokens: Int
    /// Repetition rate of the tokens; `nil` if they are too few.
    public let repetition: Double?
  }

  /// A piece of a text, and how it goes on.
  public struct Continuation: Sendable, Equatable {
    public let file: String
    public let prompt: String
    public let own: Written
    public let dense: Written?
  }

  public struct Outcome: Sendable {
    public let continuations: [Continuation]
    /// The mean repetition rate of the model; `nil` if no text is long enough.
    public let repetition: Double?
    public let denseRepetition: Double?
  }

  private let request: ContinuationRequest
  private let models: EvaluatedModels

  public init(_ request: ContinuationRequest, of models: EvaluatedModels) {
    (self.request, self.models) = (request, models)
  }

  /// - Throws: whatever is wrong with the request, before anything is written: `CalibrationError` for texts that are missing or
  ///   shorter than their pieces.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    try models.checkVocabularies()
    let (base, dense) = (models.base, models.dense)
    let (own, other) = (base.configuration, (dense ?? base).configuration)
    let longest = min(own.longestContext, other.longestContext)
    let length = request.promptTokens + request.tokens
    try PipelineError.require(
      length <= longest,
      "--generate-tokens \(request.tokens) after \(request.promptTokens) exceed the models' context of \(longest) tokens"
    )
    let tokenizer = try base.tokenizer()
    let pieces = try request.texts.flatMap { try self.pieces(of: $0, base, tokenizer) }
    let model = try models.model(monitor)
    let parts = dense == nil ? 1 : 2
    let written = try self.written(pieces.map(\.tokens), by: model, monitor.part(0, of: parts))
    let beside = try dense.map { try self.written(pieces.map(\.tokens), by: $0, monitor.part(1, of: parts)) }
    let continuations = pieces.indices.map { number in
      Continuation(
        file: pieces[number].file, prompt: tokenizer.decode(pieces[number].tokens, skipSpecialTokens: true),
        own: written[number], dense: beside?[number])
    }
    return Outcome(
      continuations: continuations, repetition: Self.mean(written), denseRepetition: beside.flatMap(Self.mean))
  }

  private typealias Piece = (file: String, tokens: [Int32])

  private func pieces(of source: CalibrationSource, _ model: LanguageModel, _ tokenizer: Tokenizer) throws -> [Piece] {
    let name = source.url?.relativePath ?? source.name
    let tokens = try model.checked(tokenizer.runningTokens(TextCorpus.read(source)), of: name, tokenizer)
    let (length, count) = (request.promptTokens, request.count)
    guard tokens.count / length >= count else {
      throw CalibrationError.tooShort(source: name, tokens: tokens.count, window: length, needed: count)
    }
    return TokenWindows.starts(of: count, length: length, in: tokens.count).map {
      (name, Array(tokens[$0..<$0 + length]))
    }
  }

  private func written(_ prompts: [[Int32]], by model: LanguageModel, _ monitor: Monitor) throws -> [Written] {
    let tokenizer = try model.tokenizer()
    let ends = Set(model.configuration.eosTokens + (tokenizer.eosToken.map { [$0] } ?? []))
    let writer = TextWriter(model, tokenizer, ends: ends, reading: .behindPrompt)
    var found: [Int: Written] = [:]
    try writer.write(
      prompts.map { WritingTask($0, most: request.tokens) },
      checkpoint: { try monitor.advance(.init(.texts), $0, of: prompts.count) },
      finished: { number, text in
        found[number] = Written(
          text: text.text, tokens: text.tokens.count, repetition: Repetition.rate(of: text.tokens))
      })
    return prompts.indices.compactMap { found[$0] }
  }

  private static func mean(_ written: [Written]) -> Double? {
    let rates = written.compactMap(\.repetition)
    return rates.isEmpty ? nil : rates.reduce(0, +) / Double(rates.count)
  }
}

/// How much of a text only repeats it.
enum Repetition {
  /// Tokens of a run.
  static let run = 4

  /// The share of runs of four tokens that are another one's repetition: `1 − distinct runs / runs`.
  ///
  /// Source: Welleck et al., "Neural text generation with unlikelihood training", 2020 (seq-rep-4).
  /// - Returns: `nil` for fewer tokens than a run has.
  static func rate(of tokens: [Int32]) -> Double? {
    guard tokens.count >= run else { return nil }
    let runs = (0...tokens.count - run).map { tokens[$0..<$0 + run] }
    return 1 - Double(Set(runs).count) / Double(runs.count)
  }
}
