import Foundation

/// What is measured on the items of a task, under the names of the Language Model Evaluation Harness.
public enum TaskMetric: String, Sendable, CaseIterable {
  /// Share of items whose right choice is the most likely one; of continuations, of those that the model would write.
  case accuracy = "acc"
  /// The same, where log-likelihoods are divided by the choices' lengths in code points.
  case normalised = "acc_norm"
  /// `exp` of minus the mean log-likelihood of continuations.
  case perplexity
  /// Share of items whose answer stands behind `####`.
  case strict = "exact_match,strict-match"
  /// The same, if the last number that is written counts.
  case flexible = "exact_match,flexible-extract"

  public var isHigherBetter: Bool { self != .perplexity }

  /// Whether values are shares of items.
  public var isShare: Bool { self != .perplexity }

  /// What decides between the choices of an item.
  ///
  /// - Parameter lengths: of the choices in code points.
  func scores(_ found: some Sequence<LogLikelihood>, lengths: [Int]) -> [Double] {
    zip(found, lengths).map { self == .normalised ? $0.sum / Double($1) : $0.sum }
  }

  /// What an item adds to the mean.
  func value(_ item: TaskItem, _ answer: TaskAnswer) -> Double {
    switch (item.question, answer) {
    case (.choice(_, let texts, let right?), .likelihoods(let found)):
      let scores = scores(found, lengths: texts.map(\.codePoints))
      return scores.firstIndex(of: scores.max() ?? 0) == right ? 1 : 0
    case (.continuation, .likelihoods(let found)):
      guard let first = found.first else { return 0 }
      return self == .perplexity ? first.sum : first.isGreedy ? 1 : 0
    case (.generation(let question), .text(let text)):
      let extracted = self == .strict ? WrittenNumber.strict(text) : WrittenNumber.flexible(text)
      return WrittenNumber.plain(extracted) == WrittenNumber.plain(question.right) ? 1 : 0
    default: preconditionFailure("no answer to this question")
    }
  }

  /// The value of a mean, and its derivative.
  func aggregate(_ mean: Double) -> (value: Double, slope: Double) {
    self == .perplexity ? (exp(-mean), -exp(-mean)) : (mean, 1)
  }
}
