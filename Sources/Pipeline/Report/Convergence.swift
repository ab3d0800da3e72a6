import Foundation
import Reports
import Search

/// Best value and hypervolume of a set of results, as the progress bar and the report show them.
struct Convergence: Sendable {
  /// KL at the reference corner of the hypervolume, in nats: worse points add nothing.
  static let referenceDivergence = 2.0

  private let bestParameters: Int
  private let denseParameters: Int
  private let firstIsQuality: Bool
  /// The dense model's perplexity, where that is what is searched by.
  private let densePerplexity: Double?

  init(description: StudyDescription) {
    bestParameters = description.bestParameters
    denseParameters = description.model.parametersBlock
    firstIsQuality = description.settings.objectives.first != "params"
    densePerplexity = description.settings.objectives.first == "perplexity" ? description.dense.perplexity : nil
  }

  struct State {
    /// Least first objective among subnets no larger than the study's reference size.
    var best: Double?
    /// Share of the rectangle (0…1 share kept) × (0…2 nats) that the front dominates, from 0 to 1. Perplexities count by the
    /// nats that they lie above the dense model's.
    var hypervolume: Double?
  }

  func state(of evaluated: [EvaluatedCandidate]) -> State { state(of: evaluated.map(\.objectives)) }

  /// - Parameter points: objectives of every result; the first is the quality, the last the block parameters.
  func state(of points: [[Double]]) -> State {
    guard firstIsQuality, points.allSatisfy({ $0.count == 2 }) else { return State() }
    let best = points.filter { $0[1] <= Double(bestParameters) }.map { $0[0] }.min()
    let scaled = points.map { [nats($0[0]) / Self.referenceDivergence, $0[1] / Double(denseParameters)] }
    return State(best: best, hypervolume: try? ParetoFront.hypervolume(scaled, reference: [1, 1]))
  }

  private func nats(_ value: Double) -> Double {
    // A subnet that beats the dense model dominates no more than one that equals it.
    densePerplexity.map { max(0, log(value / $0)) } ?? value
  }
}
