import LanguageModels
import Reformation
import Runtime
import Subnets

extension Workbench {
  /// Widths of a module at which the correlation of errors is looked at.
  private static let correlatedWidths = 4

  /// How far the errors of modules go together, of the first score of a space on all its calibration text. That of other
  /// choices differs little.
  ///
  /// - Parameter plan: its windows for gradients.
  func correlation(_ evaluator: CandidateEvaluator, _ plan: SearchPlan) throws -> ErrorCorrelation {
    let bound = evaluator.bound
    let calibration = bound.calibrations.contains(BoundSpace.mix) ? BoundSpace.mix : bound.calibrations[0]
    let choice = SubnetFactory<LanguageModel>.Choice(
      score: bound.space.allScores[0],
      calibration: BoundSpace.statistics(calibration, samples: bound.space.samples.max()),
      queries: bound.space.attention.queries, expertChannels: bound.space.mlp.expertChannels)
    let widths = (0..<2 * configuration.layerCount).map { place in
      LossTerms.some(Self.correlatedWidths, of: bound.widths(of: place).dropLast())
    }
    let windows = gradientWindows(of: calibration, plan.gradientWindows)
    return try timed(.score) {
      // On all workers; the terms take one layer after the other.
      try evaluator.repaired.rank(choice)
      return try ErrorCorrelation(LossTerms(evaluator.repaired, choice, on: windows, widths: widths, monitor: monitor))
    }
  }
}
