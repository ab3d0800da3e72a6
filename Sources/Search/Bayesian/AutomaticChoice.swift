/// Which optimiser suits a search.
///
/// After 100 evaluations Bayesian search was ahead of the other optimisers here on every problem measured
/// (`Benchmarks/Optimizers/README.md`), and on all but one ahead of what evolution reached after 300. What speaks against
/// it is its own time, which grows with the square of the evaluations; so it is taken where that time is a small part of
/// the whole.
public enum AutomaticChoice: String, Sendable, CaseIterable {
  case bayesian
  case evolution = "nsga2"
  case random

  /// Below so many evaluations there is nothing to learn from.
  private static let leastEvaluations = 16
  /// The cubic cost of fits makes more than this impractical whatever an evaluation takes.
  private static let mostResults = 2000
  /// The share of the evaluations' time that the optimiser may take.
  private static let share = 0.25

  /// - Parameters:
  ///   - dimensions: variables that can move.
  ///   - evaluations: how many candidates will be evaluated.
  ///   - secondsPerEvaluation: what one takes.
  /// - Returns: the optimiser, and a sentence that says why.
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

  /// About what Bayesian search takes for a candidate, the mean of a search with one modelled objective, on one core. For
  /// 300 evaluations of 25 variables 0.04 seconds were measured; how it grows follows from the operations.
  static func secondsPerCandidate(dimensions: Int, evaluations: Int) -> Double {
    let n = Double(evaluations)
    return 0.005 + 1e-6 * n * Double(dimensions) + 3e-7 * n * n
  }
}
