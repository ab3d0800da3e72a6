import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import Reformation
import Runtime
import Subnets
import Workbench

/// Least-squares repair of a subnet that any tool pruned, against its dense parent.
///
/// Each output and down projection is fitted again so that the residual stream behind it comes near to the dense one, and each
/// projection that reads the stream so that it gives what it gives on the dense one (`SequentialReformation`). That needs no
/// record of what was kept.
public struct RepairSession {
  public struct Outcome: Sendable {
    /// On the held-out windows, before and after.
    public let before: Comparison
    public let after: Comparison
    public let densePerplexity: Double
    public let steps: [SequentialReformation.Step]
    /// Whether the divergence got smaller; if not, the subnet stays as it is.
    public let improves: Bool
    fileprivate let subnet: Subnet<LanguageModel>
  }

  private let dense: LanguageModel
  private let pruned: LanguageModel
  private let calibration: CalibrationFile

  /// - Parameter output: where the repaired subnet will be written.
  /// - Throws: before anything slow, whatever does not fit together.
  public init(
    dense densePath: String, subnet subnetPath: String, plan: CalibrationPlan, output: ExportTarget,
    memory: MemoryPlan, monitor: Monitor
  ) throws {
    dense = try LanguageModel(URL(fileURLWithPath: densePath), memory: memory)
    pruned = try LanguageModel(URL(fileURLWithPath: subnetPath), memory: memory)
    try Exporter.check(pruned, [output], inputs: [dense.location] + plan.files(), layersDiffer: false)
    try DiskSpace.check([output.need(parameters: pruned.configuration.totalParameters)])
    try SubnetCheck(dense: dense, subnet: pruned).run(monitor)
    calibration = try CalibrationFile(plan, model: dense, fingerprint: dense.fingerprint(), monitor: monitor)
  }

  /// Fits all projections, layer by layer.
  public func repair(monitor: Monitor) throws -> Outcome {
    let reference = try DenseReference(dense, windows: calibration.fitness, head: pruned.head)
    let pruned = pruned
    // Embedding, head and final norm are the subnet's own.
    let inherited = Subnet(of: pruned, layers: pruned.configuration.layers) { try pruned.layer($0) }
    let before = try RepairDecision.Repaired(inherited, repair: .none, on: reference)
    let decision = try RepairDecision.make(
      before, inherited: inherited, parent: dense, calibration: calibration.windows, reference: reference,
      monitor)
    return Outcome(
      before: before.comparison, after: (decision.sequential ?? before).comparison,
      densePerplexity: reference.perplexity.value,
      steps: decision.steps, improves: decision.chosen.repair == .sequential, subnet: decision.chosen.network)
  }

  /// Writes the repaired subnet, or the subnet as it was where repair did not help.
  public func write(_ outcome: Outcome, to target: ExportTarget, toolVersion: String) throws -> ExportResult {
    let chosen = outcome.improves ? outcome.after : outcome.before
    var record = try ExportRecord(
      toolVersion: toolVersion,
      origin: [
        "method": "repair",
        "subnet": ["name": .string(pruned.name), "fingerprint": .string(try pruned.fingerprint())],
      ], parent: dense, written: pruned.configuration, repair: outcome.improves ? .sequential : .none,
      calibration: calibration,
      measured: .init(
        on: calibration.judgedOn, kl: chosen.divergence, perplexity: chosen.perplexity.value,
        densePerplexity: outcome.densePerplexity, top1Agreement: chosen.topOneAgreement))
    record.steps = outcome.steps
    return outcome.improves
      ? try Exporter.export(
        outcome.subnet, parent: pruned, record: record.json, to: target.url, options: target.options)
      : try Exporter.export(pruned, parent: pruned, record: record.json, to: target.url, options: target.options)
  }
}
