import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// Asks candidates more than how they continue the fitness windows.
public protocol SubnetExaminer: Sendable {
  /// What is found of the dense model, by the names of tasks.
  var dense: [String: TaskQuality] { get }

  /// Tokens that a candidate reads.
  var tokens: Int { get }

  /// What is found of candidates, by the names of tasks, in the order of the candidates.
  ///
  /// - Parameter monitor: hears of the share that is done.
  func examine(
    _ candidates: [BoundSpace.Genes], _ weights: CandidateEvaluator.Weights, of evaluator: CandidateEvaluator,
    _ monitor: Monitor
  ) throws -> [[String: TaskQuality]]
}

extension CandidateEvaluator {
  /// What the examiner finds of candidates; nothing without one.
  public func answers(
    of candidates: [BoundSpace.Genes], _ weights: Weights, _ monitor: Monitor
  ) throws -> [[String: TaskQuality]] {
    try examiner?.examine(candidates, weights, of: self, monitor) ?? candidates.map { _ in [:] }
  }

  /// The share of an evaluation that comparing on the windows takes, by tokens.
  public var comparingShare: Double {
    let (windows, tasks) = (Double(reference.windows.tokens.count), Double(examiner?.tokens ?? 0))
    return windows / max(1, windows + tasks)
  }

  /// Runs candidates over token sequences as `GenerationEvaluator.forEachBlock` does, with the weights that they are judged with.
  public func forEachBlock(
    of candidates: [BoundSpace.Genes], _ weights: Weights = .repaired, over sequences: [[Int32]], last: [Int],
    monitor: Monitor = .silent, _ body: (_ members: [Int], _ sequences: [Int], _ hidden: Matrix<Float>) throws -> Void
  ) throws {
    let (evaluator, parts) = try generation(candidates, weights, sharing: true, monitor: monitor)
    try evaluator.forEachBlock(of: parts, over: sequences, last: last, monitor: monitor, body)
  }
}
