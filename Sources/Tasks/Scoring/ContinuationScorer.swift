import LanguageModels
import LinearAlgebra
import Runtime

/// What a model says of a continuation.
public struct LogLikelihood: Sendable, Equatable {
  /// `Σ log p(token)`, in nats.
  public let sum: Double
  /// Whether every token is the model's most likely one.
  public let isGreedy: Bool
  /// Tokens that were scored.
  public let tokens: Int

  public init(sum: Double, isGreedy: Bool, tokens: Int) {
    (self.sum, self.isGreedy, self.tokens) = (sum, isGreedy, tokens)
  }
}

/// Log-likelihoods of continuations of any lengths. What contexts have in common is computed once, nothing is padded, and only scored
/// tokens meet the output head.
public struct ContinuationScorer<Model: Network>: Sendable {
  private let model: Model
  private let head: any EngineHead

  /// Tokens that go through the model together.
  private static var batchTokens: Int { 8192 }

  public init(_ model: Model) {
    self.model = model
    head = model.outputHead(.single)
  }

  /// - Parameters:
  ///   - stage: stage of which the monitor hears.
  /// - Returns: in the order of the pairs.
  public func score(
    _ pairs: [ScoredTokens], of stage: Monitor.Stage, _ monitor: Monitor = .silent
  ) throws -> [LogLikelihood] {
    let batches = TokenTrees.batches(
      of: pairs.map(\.input), tokens: Self.batchTokens, for: model.configuration)
    var result = [LogLikelihood](repeating: LogLikelihood(sum: 0, isGreedy: false, tokens: 0), count: pairs.count)
    var done = 0
    for batch in batches {
      try monitor.advance(stage, done, of: pairs.count)
      let found = try score(batch, pairs)
      for (member, likelihood) in zip(batch.members, found) { result[member] = likelihood }
      done += found.count
    }
    return result
  }

  private func score(_ batch: TokenTrees, _ pairs: [ScoredTokens]) throws -> [LogLikelihood] {
    let parts = batch.members.enumerated().map { place, member in
      (rows: batch.rows(of: place).suffix(pairs[member].scored), targets: pairs[member].targets)
    }
    let targets = parts.flatMap(\.targets)
    let hidden = try batch.hiddenStates(of: model, rows: parts.flatMap(\.rows))
    let summaries = try head.summaries(hidden) { targets[$0] }
    var next = 0
    return parts.map { part in
      defer { next += part.targets.count }
      let own = zip(summaries[next..<next + part.targets.count], part.targets)
      return LogLikelihood(
        sum: own.reduce(0) { $0 + Double($1.0.target) - $1.0.normaliser },
        isGreedy: own.allSatisfy { $0.choice == $1 }, tokens: part.targets.count)
    }
  }
}
