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
    try Exporter.check(pruned, [output], inputs: [dense.location] + plan.files())
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
    let before = try RepairDecision.Repaired(inherited, repair: "none", on: reference)
    let decision = try RepairDecision.make(
      before, inherited: inherited, parent: dense, calibration: calibration.windows, reference: reference,
      monitor)
    return Outcome(
      before: before.comparison, after: (decision.sequential ?? before).comparison,
      densePerplexity: reference.perplexity.value,
      steps: decision.steps, improves: decision.chosen.repair == "sequential", subnet: decision.chosen.network)
  }

  /// Writes the repaired subnet, or the subnet as it was where repair did not help.
  public func write(_ outcome: Outcome, to target: ExportTarget, toolVersion: String) throws -> ExportResult {
    let configuration = dense.configuration
    let chosen = outcome.improves ? outcome.after : outcome.before
    let record: JSONValue = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(toolVersion), "method": "repair",
      "parent": [
        "name": .string(dense.name), "fingerprint": .string(try dense.fingerprint()),
        "block_parameters": .integer(configuration.blockParameters),
        "total_parameters": .integer(configuration.totalParameters),
      ],
      "subnet": ["name": .string(pruned.name), "fingerprint": .string(try pruned.fingerprint())],
      "repair": .string(outcome.improves ? "sequential" : "none"), "calibration_sets": calibration.record,
      "sequential_repair": .array(outcome.steps.map(\.record)),
      "measured": [
        "kl": .number(chosen.divergence), "perplexity": .number(chosen.perplexity.value),
        "dense_perplexity": .number(outcome.densePerplexity), "top1_agreement": .number(chosen.topOneAgreement),
      ],
    ]
    return outcome.improves
      ? try Exporter.export(
        outcome.subnet, parent: pruned, record: record, to: target.url, options: target.options)
      : try Exporter.export(pruned, parent: pruned, record: record, to: target.url, options: target.options)
  }
}

extension SequentialReformation.Step {
  /// How many projections were fitted anew, and what that gained on held-out windows, in words.
  public static func summary(_ steps: [SequentialReformation.Step]) -> String {
    let errors = steps.filter { $0.damping != nil }.map(\.heldOutError).sorted()
    let gain =
      errors.isEmpty
      ? ""
      : String(
        format: ": their held-out error fell to %.2f × in the median (%.2f to %.2f)", errors[errors.count / 2],
        errors[0], errors[errors.count - 1])
    return "sequential repair: \(errors.count) of \(steps.count) projections fitted anew\(gain)"
  }

  /// As records and JSON have it.
  public var record: JSONValue {
    [
      "layer": .integer(layer), "module": .string(module), "damping": damping.map { .number($0) } ?? .null,
      "held_out_error": .number(heldOutError),
    ]
  }
}
