import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// What one step in the loss found.
public struct LossStepRound: Sendable, Codable, Equatable {
  /// As a share of the curvature; `nil` if no step was better than none.
  public let damping: Double?
  /// What the model promised for the step that was taken, in nats a token.
  public let predicted: Double
  /// Divergence on the held-out windows.
  public let before: Double
  public let after: Double
}

/// Repair in the loss: the divergence itself is made small in a few numbers, in closed form.
///
/// The numbers are, for each layer, gains of the queries, of the attention's output and of the MLP's output, and a step of each
/// module along its gradient. For so few the Gauss-Newton matrix is well-posed on a few windows (`LossModel`): there is no rate
/// and nothing to set. The held-out windows choose the damping, and whether a step is taken at all.
public struct LossStep<Parent: Network>: Sendable {
  /// The settings. A user sets nothing of them.
  public struct Plan: Sendable, Equatable {
    public var rounds = 1
    /// Tokens that the curvature is measured on, about.
    public var curvatureTokens = 2048
    public var batchTokens = 1024
    /// To choose from, as shares of the curvature.
    public var dampings = [0.1, 1.0, 10.0]
    /// The smallest gain on the held-out windows that is worth another round, as a share of the divergence.
    public var worthwhile = 0.01

    public init() {}
  }

  public let network: Subnet<Parent>
  public let comparison: Comparison
  public let rounds: [LossStepRound]

  /// - Parameters:
  ///   - calibration: the dense model on the windows to fit on, in single precision.
  ///   - heldOut: likewise on others.
  ///   - known: the subnet's comparison with the dense model there, if it was made.
  public init(
    _ subnet: Subnet<Parent>, toward calibration: DenseReference, heldOut: DenseReference,
    before known: Comparison? = nil, plan: Plan = Plan(), _ monitor: Monitor = .silent
  ) throws {
    var (network, comparison) = (subnet, try known ?? heldOut.compare(subnet))
    var rounds: [LossStepRound] = []
    for _ in 0..<plan.rounds where comparison.divergence > 0 {
      let directions = try Self.directions(network, toward: calibration, plan, monitor)
      let count = Self.windows(directions.count, network, calibration.windows, plan)
      let model = try LossModel(network, toward: calibration, windows: Array(0..<count), along: directions)
      let before = comparison.divergence
      var chosen: (damping: Double, steps: [Double])?
      let start = network
      for damping in plan.dampings {
        guard let steps = model.steps(damping: damping) else { continue }
        let moved = try Self.moved(start, directions, steps)
        let found = try heldOut.compare(moved)
        if found.divergence < comparison.divergence {
          (network, comparison, chosen) = (moved, found, (damping, steps))
        }
      }
      rounds.append(
        LossStepRound(
          damping: chosen?.damping, predicted: chosen.map { model.change($0.steps) } ?? 0, before: before,
          after: comparison.divergence))
      if comparison.divergence > (1 - plan.worthwhile) * before { break }
    }
    (self.network, self.comparison, self.rounds) = (network, comparison, rounds)
  }

  /// Windows that the curvature is measured on: as many as planned if the streams of all directions fit
  /// `MemoryPlan.candidates`.
  private static func windows(
    _ directions: Int, _ network: Subnet<Parent>, _ windows: TokenWindows, _ plan: Plan
  ) -> Int {
    let bytes = (directions + 1) * windows.length * network.configuration.hiddenSize * MemoryLayout<Float>.size
    return max(1, min(windows.count, plan.curvatureTokens / windows.length, network.memory.candidates / bytes))
  }

  private static func directions(
    _ network: Subnet<Parent>, toward calibration: DenseReference, _ plan: Plan, _ monitor: Monitor
  ) throws -> [Direction] {
    let gradients = try GradientSum(network, toward: calibration, batchTokens: plan.batchTokens, monitor)
    return try network.configuration.layers.indices.flatMap { index in
      let (weights, move) = (try network.layer(index), try gradients.descent(index))
      return LayerPart.Module.allCases.flatMap { module -> [Direction] in
        let parts = (module.inputProjections + [module.output]).filter { weights[$0].weight.count > 0 }
        if weights[module.output].weight.count == 0 { return [] }
        return weights.gains(of: module).map { Direction(gainOf: [$0], in: weights, layer: index) }
          + [Direction(scaling: parts.map { ($0, move[$0].weight) }, to: weights, layer: index)]
      }.filter { !$0.moves.isEmpty }
    }
  }

  /// The network after steps along all directions.
  private static func moved(
    _ network: Subnet<Parent>, _ directions: [Direction], _ steps: [Double]
  ) throws -> Subnet<Parent> {
    let store = try LayerStore(network.configuration, within: network.memory)
    for index in network.configuration.layers.indices {
      var weights = try network.layer(index)
      for (direction, step) in zip(directions, steps) where direction.layer == index {
        weights = direction.moved(weights, by: Float(step))
      }
      try store.store(index, weights)
    }
    return network.withLayers { try store.layer($0) }
  }
}

extension LayerWeights {
  /// The projections of a module whose gain matters: no norm behind them takes it away again.
  func gains(of module: LayerPart.Module) -> [LayerPart] {
    let isNormed = !self[gain: module.postNorm].isEmpty
    let normsQueries = !self[gain: .queryNorm].isEmpty || !self[gain: .allQueriesNorm].isEmpty
    return (module == .attention && !normsQueries ? [.query] : []) + (isNormed ? [] : [module.output])
  }
}
