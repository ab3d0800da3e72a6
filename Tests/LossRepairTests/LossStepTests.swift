import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import LossRepair

@Suite struct LossStepTests {
  /// Gains of every module of a network that has them, and a mixed direction.
  private func directions(_ network: some Network) throws -> [Direction] {
    try network.configuration.layers.indices.flatMap { index in
      let weights = try network.layer(index)
      let mixed = [LayerPart.gate, .up].map { ($0, weights[$0 == .gate ? .up : .gate].weight) }
      return LayerPart.Module.allCases.flatMap { weights.gains(of: $0) }.map {
        Direction(gainOf: [$0], in: weights, layer: index)
      } + [Direction(scaling: mixed, to: weights, layer: index)]
    }
  }

  private func moved(_ network: Subnet<LanguageModel>, _ directions: [Direction], _ steps: [Double]) throws
    -> Subnet<LanguageModel>
  {
    let layers = try network.configuration.layers.indices.map { index in
      try zip(directions, steps).filter { $0.0.layer == index }.reduce(network.layer(index)) {
        $1.0.moved($0, by: Float($1.1))
      }
    }
    return network.withLayers { layers[$0] }
  }

  /// Log-probabilities, one row a token, in double precision.
  private func distributions(_ network: some Network, _ windows: TokenWindows) throws -> [[Double]] {
    let hidden = try ForwardPass(windows).hiddenStates(of: network)
    let logits = try network.outputHead(.single).logits(hidden, vocabulary: network.head.rows)
    return (0..<logits.rows).map { logits.rows($0..<$0 + 1).elements.map(Double.init) }
  }

  /// The curvature is that of the definition, `E[Cov_q(u_j, u_k)]` with every logit's derivative by central differences.
  @Test(arguments: DescentTests.names) func theCurvatureIsThatOfTheDefinition(_ name: String) throws {
    let found = try Case(name)
    let along = try directions(found.subnet)
    let reference = try DenseReference(found.dense, windows: found.windows)
    let model = try LossModel(found.subnet, toward: reference, windows: [0, 1], along: along)
    let windows = found.windows.windows(0..<2)
    let base = try distributions(found.subnet, windows).map { row in
      let peak = row.max() ?? 0
      let shares = row.map { exp($0 - peak) }
      let sum = shares.reduce(0, +)
      return shares.map { $0 / sum }
    }
    let step = 0.005
    let changes = try along.indices.map { j -> [[Double]] in
      var steps = along.map { _ in 0.0 }
      steps[j] = step
      let up = try distributions(moved(found.subnet, along, steps), windows)
      steps[j] = -step
      let down = try distributions(moved(found.subnet, along, steps), windows)
      return zip(up, down).map { zip($0, $1).map { ($0 - $1) / (2 * step) } }
    }
    func covariance(_ j: Int, _ k: Int) -> Double {
      base.indices.reduce(0) { sum, t in
        let (q, a, b) = (base[t], changes[j][t], changes[k][t])
        let (meanA, meanB) = (zip(q, a).reduce(0) { $0 + $1.0 * $1.1 }, zip(q, b).reduce(0) { $0 + $1.0 * $1.1 })
        return sum + q.indices.reduce(0) { $0 + q[$1] * (a[$1] - meanA) * (b[$1] - meanB) }
      } / Double(base.count)
    }
    for j in along.indices {
      for k in j..<along.count {
        let size = (covariance(j, j) * covariance(k, k)).squareRoot()
        #expect(abs(model.curvature[j, k] - covariance(j, k)) < 0.03 * size, "\(j), \(k)")
      }
    }
  }

  /// To first order the divergence falls as promised, and to second order the promise holds for small steps.
  @Test(arguments: DescentTests.names) func smallStepsKeepWhatTheModelPromises(_ name: String) throws {
    let found = try Case(name)
    let along = try directions(found.subnet)
    let reference = try DenseReference(found.dense, windows: found.windows)
    let model = try LossModel(found.subnet, toward: reference, windows: Array(0..<4), along: along)
    let before = try reference.compare(found.subnet).divergence
    let largest = try #require(model.gradient.map(abs).max())
    for j in along.indices {
      let around = try [0.005, -0.005].map { step in
        try reference.compare(moved(found.subnet, along, along.indices.map { $0 == j ? step : 0 })).divergence
      }
      let slope = (around[0] - around[1]) / 0.01
      #expect(abs(model.gradient[j] - slope) < 0.03 * abs(slope) + 0.01 * largest, "direction \(j)")
    }
    let whole = try #require(model.steps(damping: 0.1))
    #expect(model.change(whole) < 0)
    let small = whole.map { $0 * 0.1 }
    let measured = try reference.compare(moved(found.subnet, along, small)).divergence - before
    #expect(measured < 0 && abs(measured - model.change(small)) < 0.2 * abs(measured))
  }

  /// The steps solve the damped normal equations.
  @Test func stepsSolveTheDampedEquations() throws {
    let found = try Case("mistral-gqa")
    let along = try directions(found.subnet)
    let reference = try DenseReference(found.dense, windows: found.windows)
    let model = try LossModel(found.subnet, toward: reference, windows: [0, 1, 2], along: along)
    let mean = along.indices.reduce(0.0) { $0 + model.curvature[$1, $1] } / Double(along.count)
    for damping in [0.01, 1.0] {
      let steps = try #require(model.steps(damping: damping))
      for i in along.indices {
        let row = along.indices.reduce(0.0) { $0 + model.curvature[i, $1] * steps[$1] }
        let left = row + (damping * model.curvature[i, i] + 1e-4 * mean) * steps[i]
        #expect(abs(left + model.gradient[i]) < 1e-4 * model.gradient.map(abs).max()!)
      }
    }
  }

  /// What is shipped is never worse on the held-out windows, and the same on every run.
  @Test func aStepIsTakenOnlyIfHeldOutWindowsGain() throws {
    let found = try Case("qwen2-bias")
    let training = try DenseReference(found.dense, windows: found.windows.windows(0..<3))
    let heldOut = try DenseReference(found.dense, windows: found.windows.windows(3..<4))
    let step = try LossStep(found.subnet, toward: training, heldOut: heldOut)
    let before = try heldOut.compare(found.subnet).divergence
    #expect(step.comparison.divergence <= before)
    #expect(try heldOut.compare(step.network).divergence == step.comparison.divergence)
    #expect(step.rounds.first?.before == before)
    let again = try LossStep(found.subnet, toward: training, heldOut: heldOut)
    #expect(again.rounds == step.rounds)
    // In little memory it looks at fewer windows, and keeps the rule.
    let small = try Case("qwen2-bias", memory: MemoryPlan(limit: 1))
    let frugal = try LossStep(small.subnet, toward: training, heldOut: heldOut)
    #expect(frugal.comparison.divergence <= before)
    #expect(frugal.rounds != step.rounds)
    // On the windows that it was fitted on it gains.
    let fitted = try LossStep(found.subnet, toward: training, heldOut: training)
    #expect(fitted.comparison.divergence < 0.9 * (try training.compare(found.subnet).divergence))
  }
}
