import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Tasks
import Workbench

/// Asks candidates the development items of tasks.
struct DevelopmentExaminer: SubnetExaminer {
  let dense: [String: TaskQuality]
  let tokens: Int
  private let tasks: [DevelopmentFile.StoredTask]
  private let choices: [ScoredTokens]
  /// One for each task.
  private let denseScores: [ChoiceScores]

  /// Asks the dense model, in single precision.
  ///
  /// - Throws: `TaskError.unusable` for an item whose log-likelihoods are not finite.
  init(_ file: DevelopmentFile, _ model: LanguageModel, _ monitor: Monitor) throws {
    (tasks, choices) = (file.tasks, file.choices)
    tokens = file.tokens(for: model.configuration).read
    let found = try ContinuationScorer(model).score(choices, of: .init(.tasks), monitor)
    let scores = try Self.scores(tasks, found)
    denseScores = scores
    dense = Self.qualities(tasks, scores, dense: nil)
  }

  func examine(
    _ candidates: [BoundSpace.Genes], _ weights: CandidateEvaluator.Weights, of evaluator: CandidateEvaluator,
    _ monitor: Monitor
  ) throws -> [[String: TaskQuality]] {
    let nothing = LogLikelihood(sum: .nan, isGreedy: false, tokens: 0)
    var likelihoods = candidates.map { _ in [LogLikelihood](repeating: nothing, count: choices.count) }
    let head = evaluator.reference.head
    try evaluator.forEachBlock(
      of: candidates, weights, over: choices.map(\.input), last: choices.map(\.scored), monitor: monitor
    ) { members, sequences, hidden in
      let found = try LogLikelihood.all(sequences.map { choices[$0] }, hidden, head)
      for member in members {
        for (sequence, likelihood) in zip(sequences, found) { likelihoods[member][sequence] = likelihood }
      }
    }
    return try likelihoods.map { try Self.qualities(tasks, Self.scores(tasks, $0), dense: denseScores) }
  }

  /// What log-likelihoods of all choices say, task by task.
  private static func scores(
    _ tasks: [DevelopmentFile.StoredTask], _ likelihoods: [LogLikelihood]
  ) throws -> [ChoiceScores] {
    var rest = likelihoods[...]
    return try tasks.map { stored in
      let own = Array(rest.prefix(stored.items.reduce(0) { $0 + $1.choices.count }))
      rest = rest.dropFirst(own.count)
      return try ChoiceScores(stored.items, TaskMetric(rawValue: stored.task.metric) ?? .accuracy, own)
    }
  }

  /// - Parameter dense: the dense model's; `nil` for the dense model itself.
  private static func qualities(
    _ tasks: [DevelopmentFile.StoredTask], _ scores: [ChoiceScores], dense: [ChoiceScores]?
  ) -> [String: TaskQuality] {
    let found = tasks.indices.map { place -> (String, TaskQuality) in
      let (own, groups) = (scores[place], tasks[place].items.map(\.group))
      let differences = dense.map { dense in zip(own.losses, dense[place].losses).map { $0 - $1 } }
      func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
      return (
        tasks[place].task.name,
        TaskQuality(
          loss: differences.map(mean) ?? 0, lossError: differences.flatMap { StandardError.ofMean($0, groups) },
          accuracy: mean(own.hits), accuracyError: StandardError.ofMean(own.hits, groups))
      )
    }
    return Dictionary(found) { first, _ in first }
  }
}
