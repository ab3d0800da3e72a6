/// Chooses the optimiser that suits a search.
///
/// After 100 evaluations Bayesian search was ahead of the other optimisers on every measured problem
/// (`Benchmarks/Optimizers/README.md`), and on all but one ahead of evolution after 300. But its own time grows with
/// the square of the evaluations. So it is chosen if that time is a small part of the whole.
public enum AutomaticChoice: String, Sendable, CaseIterable {
  case bayesian
  case evolution = "nsga2"
  case random

  /// With fewer evaluations there is too little to learn from.
  private static let leastEvaluations = 16
  /// The cubic cost of fits makes more evaluations than this impractical, however long one takes.
  private static let mostResults = 2000
  /// The optimiser's time as a share of the evaluations' time, at most.
  private static let share = 0.25

  /// - Parameters:
  ///   - dimensions: number of variables that can move.
  ///   - evaluations: number of candidates that will be evaluated.
  ///   - secondsPerEvaluation: time of one evaluation.
  /// - Returns: the optimiser, and a sentence with the reason.
  public static func choose(
    dimensions: Int, evaluations: Int, secondsPerEvaluation: Double
  ) -> (optimizer: AutomaticChoice, reason: String) {
    if dimensions < 1 { return (.random, "there is nothing to vary") }
    if evaluations < leastEvaluations {
      return (.evolution, "\(evaluations) evaluations are too few to learn a model from")
    }
    if evaluations > mostResults {
      return (.evolution, "\(evaluations) evaluations are more than a Gaussian process is practical for")
    }
    let thought = secondsPerCandidate(dimensions: dimensions, evaluations: evaluations)
    if thought > share * secondsPerEvaluation {
      return (.evolution, "choosing a candidate with a model would take too long beside its evaluation")
    }
    return (.bayesian, "a model of the results finds good candidates in the fewest evaluations")
  }

  /// The approximate seconds of Bayesian search for a candidate: the mean of a search with one modelled objective, on
  /// one core. For 300 evaluations of 25 variables 0.04 seconds were measured; the growth follows from the number of
  /// operations.
  static func secondsPerCandidate(dimensions: Int, evaluations: Int) -> Double {
    let n = Double(evaluations)
    return 0.005 + 1e-6 * n * Double(dimensions) + 3e-7 * n * n
  }
}
