import Evaluation
import Search

/// Best value and hypervolume of a set of results, as the progress bar and the report show them.
struct Convergence: Sendable {
  private let objectives: ObjectiveList
  private let bestParameters: Int
  /// Values of the dense model.
  private let dense: [Double]

  init(description: StudyDescription) {
    objectives = description.objectives
    bestParameters = description.bestParameters
    dense = objectives.values(description.dense)
  }

  struct State {
    /// Best value of the first objective among subnets no larger than the study's size; `nil` while there is none.
    var best: Double?
    /// Share of the space between the best imaginable values and the worst that count (`Objective.shortfall`) that the
    /// results dominate, from 0 to 1.
    var hypervolume: Double?
  }

  /// - Parameter results: objectives as an optimiser sees them, and block parameters, of every result.
  func state(of results: [(objectives: [Double], parameters: Int)]) -> State {
    var state = Progress(self)
    for result in results { state.learn(result.objectives, parameters: result.parameters) }
    return state.state
  }

  /// What a growing number of results has come to.
  struct Progress {
    private let measure: Convergence
    private var best: Double?
    /// What is dominated does not change the hypervolume.
    private var front: [[Double]] = []

    init(_ measure: Convergence) { self.measure = measure }

    mutating func learn(_ objectives: [Double], parameters: Int) {
      if parameters <= measure.bestParameters, let first = objectives.first, first < best ?? .infinity { best = first }
      if front.contains(where: { ParetoFront.dominates($0, objectives) || $0 == objectives }) { return }
      front.removeAll { ParetoFront.dominates(objectives, $0) }
      front.append(objectives)
    }

    var state: State {
      State(
        best: best.map { measure.objectives.first.direction.minimized($0) },
        hypervolume: try? ParetoFront.hypervolume(
          front.map(measure.shortfalls), reference: measure.dense.map { _ in 1 }))
    }
  }

  private func shortfalls(_ minimized: [Double]) -> [Double] {
    objectives.all.indices.map { place in
      let objective = objectives.all[place]
      return objective.shortfall(objective.direction.minimized(minimized[place]), dense: dense[place])
    }
  }
}
