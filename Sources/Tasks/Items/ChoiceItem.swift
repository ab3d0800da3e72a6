import Foundation

/// A question with choices as tokens of a model: all that is needed to score it.
public struct ChoiceItem: Codable, Sendable, Equatable {
  /// The file and line that it was read from.
  public let place: String
  /// One for each choice.
  public let choices: [ScoredTokens]
  /// Lengths of the choices in code points.
  public let lengths: [Int]
  /// Index of the right choice.
  public let right: Int
  /// The part of the task that it belongs to; empty if the task has none.
  public let group: String

  /// - Throws: `TaskError.unusable` for an item that is no question with a right choice, or none to the model.
  public init(_ item: TaskItem, _ encoder: PairEncoder) throws {
    guard case .choice(let pairs, let texts, let right?) = item.question else {
      throw TaskError.unusable(item.place, "it is no question with choices, one of which is right")
    }
    (place, lengths, self.right, group) = (item.place, texts.map(\.codePoints), right, item.group)
    choices = try pairs.map { try encoder.encode($0, place: item.place) }
  }
}

/// What a model said to questions with choices.
public struct ChoiceScores: Sendable, Equatable {
  /// Minus the log-probability of the right choice among the choices, in nats, one for each item.
  ///
  /// Choices are as likely as `exp` of what the metric compares: their log-likelihoods, or these by code point.
  public let losses: [Double]
  /// 1 for an item whose right choice is the first of the largest, else 0.
  public let hits: [Double]

  /// - Parameters:
  ///   - metric: `accuracy` or `normalised`.
  ///   - likelihoods: one for each choice, item by item.
  /// - Throws: `TaskError.unusable` for an item whose log-likelihoods are not finite.
  public init(_ items: [ChoiceItem], _ metric: TaskMetric, _ likelihoods: [LogLikelihood]) throws {
    precondition(likelihoods.count == items.reduce(0) { $0 + $1.choices.count }, "one for each choice")
    var next = 0
    (losses, hits) = try items.reduce(into: ([], [])) { result, item in
      let found = likelihoods[next..<next + item.choices.count]
      next += found.count
      guard found.allSatisfy(\.sum.isFinite) else {
        throw TaskError.unusable(item.place, "the model's logits are not finite here")
      }
      let scores = metric.scores(found, lengths: item.lengths)
      let peak = scores.max() ?? 0
      result.0.append(peak - scores[item.right] + log(scores.reduce(0) { $0 + exp($1 - peak) }))
      result.1.append(scores.firstIndex(of: peak) == item.right ? 1 : 0)
    }
  }
}
