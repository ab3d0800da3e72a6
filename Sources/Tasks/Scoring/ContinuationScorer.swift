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

  /// Those of continuations whose hidden states are known.
  ///
  /// - Parameter hidden: after the final norm, at the last `scored` tokens that are read of each, shape `[tokens, hidden]`.
  public static func all(
    _ pairs: [ScoredTokens], _ hidden: Matrix<Float>, _ head: any EngineHead
  ) throws -> [LogLikelihood] {
    let targets = pairs.flatMap(\.targets)
    let summaries = try head.summaries(hidden) { targets[$0] }
    var next = 0
    return pairs.map { pair in
      defer { next += pair.scored }
      let own = zip(summaries[next..<next + pair.scored], pair.targets)
      return LogLikelihood(
        sum: own.reduce(0) { $0 + Double($1.0.target) - $1.0.normaliser },
        isGreedy: own.allSatisfy { $0.choice == $1 }, tokens: pair.scored)
    }
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
    let own = batch.members.map { pairs[$0] }
    let rows = own.enumerated().flatMap { batch.rows(of: $0).suffix($1.scored) }
    return try LogLikelihood.all(own, try batch.hiddenStates(of: model, rows: rows), head)
  }
}
