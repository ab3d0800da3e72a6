import Evaluation
import LanguageModels
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
  }

  /// What is shipped.
  public let chosen: Repaired
  /// `nil` if there was no sequential repair.
  public let sequential: Repaired?
  /// What the sequential repair found for each projection, shipped or not.
  public let steps: [SequentialReformation.Step]

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
  ///     one; `none` gives the inherited weights.
  ///   - calibration: windows of the genes' calibration.
  public func finish(
    _ genes: BoundSpace.Genes, _ repair: Repair, calibration: TokenWindows, _ monitor: Monitor = .silent
  ) throws -> RepairDecision {
    let judged = try RepairDecision.Repaired(
      subnet(genes, repair == .none ? .inherited : .repaired), repair: repair == .none ? .none : .nested,
      on: reference)
    if repair != .sequential { return RepairDecision(chosen: judged, sequential: nil, steps: []) }
    return try RepairDecision.make(
      judged, inherited: subnet(genes, .inherited), parent: model, calibration: calibration, reference: reference,
      monitor)
  }
}
