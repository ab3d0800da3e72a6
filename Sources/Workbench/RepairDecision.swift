import Evaluation
import LanguageModels
import LossRepair
import Reformation
import Runtime
import Subnets

/// The final repair of a subnet: layer by layer on the activations that it really has, shipped if held-out windows say so.
///
/// A repair that only fits its own calibration is not shipped: the divergence on the held-out windows decides between it and
/// the weights that the subnet has otherwise. It begins with the inherited weights: to shrink toward the nested solution keeps
/// what that has overfitted.
public struct RepairDecision: Sendable {
  /// A network, and the repair that its weights carry.
  public struct Repaired: Sendable {
    public let network: Subnet<LanguageModel>
    public let repair: Repair
    /// With the dense model on the held-out windows.
    public let comparison: Comparison

    public init(_ network: Subnet<LanguageModel>, repair: Repair, on reference: DenseReference) throws {
      self.network = network
      self.repair = repair
      comparison = try reference.compare(network)
    }

    init(_ network: Subnet<LanguageModel>, repair: Repair, _ comparison: Comparison) {
      (self.network, self.repair, self.comparison) = (network, repair, comparison)
    }
  }

  /// What is shipped.
  public private(set) var chosen: Repaired
  /// `nil` if there was no sequential repair.
  public let sequential: Repaired?
  /// What the sequential repair found for each projection, shipped or not.
  public let steps: [SequentialReformation.Step]
  /// What a descent measured on its way; empty if there was none.
  public private(set) var checks: [DescentCheck] = []
  /// What steps in the loss found; empty if there were none.
  public private(set) var rounds: [LossStepRound] = []

  init(chosen: Repaired, sequential: Repaired? = nil, steps: [SequentialReformation.Step] = []) {
    (self.chosen, self.sequential, self.steps) = (chosen, sequential, steps)
  }

  /// A decision that is made: nothing else was tried.
  public init(_ chosen: Repaired) { self.init(chosen: chosen) }

  /// Goes on from what is shipped so far with what `repair` does in the loss: `gaussNewton` or `descent`; any other does
  /// nothing. What it finds is shipped if it is better on the held-out windows.
  ///
  /// - Parameters:
  ///   - training: the dense model on the windows of a descent.
  ///   - fresh: share of those that the weights were not fitted on.
  ///   - reference: the dense model on the held-out windows.
  public func continued(
    _ repair: Repair, toward training: @autoclosure () throws -> DenseReference, fresh: Double = 0,
    reference: DenseReference, _ monitor: Monitor = .silent
  ) throws -> RepairDecision {
    var result = self
    let found: Repaired
    switch repair {
    case .gaussNewton:
      let step = try LossStep(
        chosen.network, toward: training(), heldOut: reference, before: chosen.comparison, monitor)
      (found, result.rounds) = (Repaired(step.network, repair: repair, step.comparison), step.rounds)
    case .descent:
      let descent = try Descent(
        chosen.network, toward: training(), heldOut: reference, before: chosen.comparison, plan: .init(fresh: fresh),
        monitor)
      (found, result.checks) = (Repaired(descent.network, repair: repair, descent.comparison), descent.checks)
    case .none, .bias, .nested, .admm, .sequential: return self
    }
    if found.comparison.divergence < chosen.comparison.divergence { result.chosen = found }
    return result
  }

  /// - Parameters:
  ///   - otherwise: what is shipped if the sequential repair is not better.
  ///   - inherited: the same units with the weights of the network that was pruned.
  ///   - parent: the dense model.
  ///   - calibration: windows to fit on.
  ///   - reference: the dense model on the held-out windows.
  public static func make(
    _ otherwise: Repaired, inherited: Subnet<LanguageModel>, parent: LanguageModel, calibration: TokenWindows,
    reference: DenseReference, options: SequentialReformation.Options = .init(), _ monitor: Monitor = .silent
  ) throws -> RepairDecision {
    let sequential = try SequentialReformation(
      parent: parent, subnet: inherited, calibration: calibration, heldOut: reference.windows, options: options,
      monitor: monitor)
    let found = try Repaired(sequential.subnet(of: inherited), repair: .sequential, on: reference)
    return RepairDecision(
      chosen: found.comparison.divergence < otherwise.comparison.divergence ? found : otherwise,
      sequential: found, steps: sequential.steps)
  }
}

extension CandidateEvaluator {
  /// Gives a candidate its final weights.
  ///
  /// - Parameters:
  ///   - repair: `sequential` ships the sequential repair if it lowers the divergence on the held-out windows, else the nested
  ///     one; `gaussNewton` and `descent` go on from what that ships; `none` gives the inherited weights.
  ///   - calibration: windows of the genes' calibration.
  public func finish(
    _ genes: BoundSpace.Genes, _ repair: Repair, calibration: TokenWindows, _ monitor: Monitor = .silent
  ) throws -> RepairDecision {
    let judged = try RepairDecision.Repaired(
      subnet(genes, repair == .none ? .inherited : .repaired), repair: repair == .none ? .none : .nested,
      on: reference)
    if !repair.beginsSequentially { return RepairDecision(judged) }
    return try RepairDecision.make(
      judged, inherited: subnet(genes, .inherited), parent: dense, calibration: calibration, reference: reference,
      monitor
    ).continued(repair, toward: DenseReference(dense, windows: calibration), reference: reference, monitor)
  }
}

extension Repair {
  /// Whether it is the sequential repair, or something behind it.
  public var beginsSequentially: Bool { [.sequential, .gaussNewton, .descent].contains(self) }
}
