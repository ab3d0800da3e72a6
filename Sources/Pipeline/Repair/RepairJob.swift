import Checkpoints
import Evaluation
import Exports
import LanguageModels
import LossRepair
import Reformation
import Runtime
import Subnets
import Workbench

/// A subnet that any tool pruned, whose weights are to be corrected.
public struct RepairRequest: Codable, Equatable, Sendable {
  /// The subnet.
  public var model: String
  /// Its dense parent.
  public var dense: String
  public var calibration: CalibrationPlan
  /// `sequential`; `gaussNewton` or `descent` for what goes on behind it in the loss.
  public var repair = Repair.sequential
  public var output: CheckpointOutput

  public init(model: String, dense: String, calibration: CalibrationPlan, output: CheckpointOutput) {
    (self.model, self.dense, self.calibration, self.output) = (model, dense, calibration, output)
  }
}

/// Corrects the weights of a subnet by least squares against its dense parent, or by a short training, too, and writes it.
///
/// Each output and down projection is fitted again so that the residual stream behind it comes near to the dense one, and each
/// projection that reads the stream so that it gives what it gives on the dense one (`SequentialReformation`). That needs no
/// record of what was kept.
public struct RepairJob {
  public struct Outcome: Sendable {
    /// On the held-out windows, before and after.
    public let before: Comparison
    public let after: Comparison
    /// What a descent measured on its way; empty if there was none.
    public let checks: [DescentCheck]
    /// What steps in the loss found; empty if there were none.
    public let rounds: [LossStepRound]
    public let densePerplexity: Double
    public let steps: [SequentialReformation.Step]
    /// Whether the divergence got smaller; if not, the subnet was written as it is.
    public let improves: Bool
    public let export: ExportResult
  }

  /// The two models, which fit together, and the text to fit on.
  struct Prepared {
    let dense: LanguageModel
    let pruned: LanguageModel
    let calibration: CalibrationFile
    let target: ExportTarget
  }

  private let request: RepairRequest
  private let context: JobContext

  public init(_ request: RepairRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: before anything slow, whatever does not fit together.
  func prepare(_ monitor: Monitor) throws -> Prepared {
    try PipelineError.require(
      request.repair.beginsSequentially, "--repair is sequential, gauss-newton or descent")
    let dense = try context.model(request.dense)
    let opened = try context.model(
      request.model, for: request.output, inputs: [dense.location] + request.calibration.files(), monitor)
    let (pruned, target) = (opened.model, opened.target)
    try DiskSpace.check([target.need(parameters: pruned.configuration.totalParameters)])
    try SubnetCheck(dense: dense, subnet: pruned).run(monitor)
    let calibration = try CalibrationFile.read(request.calibration, model: dense, monitor)
    return Prepared(dense: dense, pruned: pruned, calibration: calibration, target: target)
  }

  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let prepared = try prepare(monitor)
    let pruned = prepared.pruned
    let reference = try DenseReference(prepared.dense, windows: prepared.calibration.fitness, head: pruned.head)
    // Embedding, head and final norm are the subnet's own.
    let inherited = Subnet(of: pruned, layers: pruned.configuration.layers) { try pruned.layer($0) }
    let before = try RepairDecision.Repaired(inherited, repair: .none, on: reference)
    let windows = prepared.calibration.windows
    let decision = try RepairDecision.make(
      before, inherited: inherited, parent: prepared.dense, calibration: windows, reference: reference, monitor
    ).continued(
      request.repair,
      toward: DenseReference(
        prepared.dense, windows: prepared.calibration.training, head: pruned.head),
      fresh: prepared.calibration.training.fresh(beside: windows), reference: reference, monitor)
    let after = request.repair == .sequential ? decision.sequential ?? before : decision.chosen
    return Outcome(
      before: before.comparison, after: after.comparison, checks: decision.checks, rounds: decision.rounds,
      densePerplexity: reference.perplexity.value, steps: decision.steps,
      improves: decision.chosen.repair != .none,
      export: try write(decision, prepared, densePerplexity: reference.perplexity.value))
  }

  /// Writes the repaired subnet, or the subnet as it was if repair did not help.
  private func write(
    _ decision: RepairDecision, _ prepared: Prepared, densePerplexity: Double
  ) throws -> ExportResult {
    let (pruned, chosen) = (prepared.pruned, decision.chosen)
    var record = ExportRecord(
      toolVersion: context.toolVersion,
      origin: [
        "method": "repair",
        "subnet": ["name": .string(pruned.name), "fingerprint": .string(try pruned.fingerprint())],
      ], parent: prepared.dense, network: pruned.configuration, calibration: prepared.calibration)
    (record.repair, record.steps) = (chosen.repair, decision.steps)
    (record.checks, record.rounds) = (decision.checks, decision.rounds)
    record.measured = .init(
      SubnetMeasurement(pruned.configuration, of: prepared.dense.configuration, chosen.comparison),
      on: prepared.calibration.judgedOn, densePerplexity: densePerplexity)
    return chosen.repair != .none
      ? try record.export(chosen.network, source: pruned, to: prepared.target)
      : try record.export(pruned, source: pruned, to: prepared.target)
  }
}
