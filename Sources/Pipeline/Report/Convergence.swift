import Evaluation
import Search

/// Best value and hypervolume of a growing number of results, as the progress bar and the report show them.
struct Convergence: Sendable {
  private let objectives: ObjectiveList
  private let bestParameters: Int
  /// Values of the dense model.
  private let dense: [Double]
  /// Of the first objective, minimised.
  private var best: Double?
  /// What is dominated does not change the hypervolume.
  private var front: [[Double]] = []

  init(description: StudyDescription) {
    objectives = description.objectives
    bestParameters = description.bestParameters
    dense = objectives.values(description.dense)
  }

  /// Takes a result.
  ///
  /// - Parameters:
  ///   - result: objectives as an optimiser sees them.
  ///   - parameters: block parameters.
  mutating func learn(_ result: [Double], parameters: Int) {
    if parameters <= bestParameters, let first = result.first, first < best ?? .infinity { best = first }
    if front.contains(where: { ParetoFront.dominates($0, result) || $0 == result }) { return }
    front.removeAll { ParetoFront.dominates(result, $0) }
    front.append(result)
  }

  /// Best value of the first objective among subnets no larger than the study's size; `nil` while there is none.
  var bestValue: Double? { best.map { objectives.first.direction.minimized($0) } }

  /// Share of the space between the best imaginable values and the worst that count (`Objective.shortfall`) that the
  /// results dominate, from 0 to 1.
  var hypervolume: Double? {
    try? ParetoFront.hypervolume(front.map(shortfalls), reference: dense.map { _ in 1 })
  }

  private func shortfalls(_ minimized: [Double]) -> [Double] {
    objectives.all.indices.map { place in
      let objective = objectives.all[place]
      return objective.shortfall(objective.direction.minimized(minimized[place]), dense: dense[place])
    }
  }
}
