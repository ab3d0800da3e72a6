import Evaluation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// What a descent measured on its way.
public struct DescentCheck: Sendable, Codable, Equatable {
  /// Tokens that the weights were trained on so far.
  public let tokens: Int
  /// Mean divergence on those since the last check, in nats a token; `nil` at the start.
  public let training: Double?
  /// On the held-out windows.
  public let heldOut: Double
}

/// Trains the weights of a subnet a little: a first-order method on its divergence from the dense model.
///
/// It goes over the calibration windows a few times, a batch at a time, with a fixed schedule, and ships the state that was best
/// on held-out windows. It is short training, not a closed form: tables name it apart (`+descent`).
///
/// A step needs the memory of one layer beside the weights in training: the gradients of a layer move it before the
/// next layer's are made (`BackwardPass`).
public struct Descent<Parent: Network>: Sendable {
  /// The subnet in its best state, and its comparison with the dense model on the held-out windows.
  public let network: Subnet<Parent>
  public let comparison: Comparison
  public let checks: [DescentCheck]

  /// - Parameters:
  ///   - training: the dense model on the windows to train on, in single precision.
  ///   - heldOut: likewise on others.
  ///   - known: the subnet's comparison with the dense model there, if it was made.
  /// - Throws: `ModelError.scratch` where the disk is full; `CancellationError`.
  public init(
    _ subnet: Subnet<Parent>, toward training: DenseReference, heldOut: DenseReference,
    before known: Comparison? = nil, plan: DescentPlan = .init(), _ monitor: Monitor = .silent
  ) throws {
    let trained = try TrainedNetwork(subnet)
    let batches = plan.batches(of: training.windows)
    let checkEvery = max(1, training.windows.count / plan.batchWindows(training.windows) / plan.checksPerPass)
    var best = (network: subnet, comparison: try known ?? heldOut.compare(subnet))
    var checks = [DescentCheck(tokens: 0, training: nil, heldOut: best.comparison.divergence)]
    var (tokens, sum, steps) = (0, 0.0, 0)
    for (number, batch) in batches.enumerated() {
      try monitor.advance(.init(.descent), number, of: batches.count)
      let rate = Float(plan.rate(step: number, of: batches.count, hidden: subnet.configuration.hiddenSize))
      sum += try Self.step(trained, training, batch, rate: rate)
      (tokens, steps) = (tokens + batch.count * training.windows.length, steps + 1)
      guard steps == checkEvery || number + 1 == batches.count else { continue }
      let comparison = try heldOut.compare(trained)
      checks.append(DescentCheck(tokens: tokens, training: sum / Double(steps), heldOut: comparison.divergence))
      (sum, steps) = (0, 0)
      if comparison.divergence < best.comparison.divergence {
        let (layers, norm) = try trained.snapshot()
        best = (subnet.withLayers(finalNorm: norm) { try layers.layer($0) }, comparison)
      }
    }
    (network, comparison) = best
    self.checks = checks
  }

  /// - Returns: mean divergence of the batch before the step.
  static func step(
    _ network: TrainedNetwork, _ reference: DenseReference, _ batch: [Int], rate: Float
  ) throws -> Double {
    var divergence = 0.0
    network.beginStep()
    let normGradient = try BackwardPass(reference.windows.selecting(batch), scratch: network.memory.scratch).run(
      network, seed: { divergence = try reference.gradient(at: $0, windows: batch, into: $1) },
      visit: { layer in
        guard let gradients = layer.gradients else { return }
        try network.move(layer.index, gradients, rate: rate)
      })
    network.moveFinalNorm(normGradient, rate: rate)
    return divergence
  }
}
