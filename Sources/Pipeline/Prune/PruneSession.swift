import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import LinearAlgebra
import Methods
import Reformation
import Runtime
import Subnets
import Workbench

/// One method applied to one model.
public struct PruneSession {
  /// What came out.
  public struct Outcome {
    public let pruned: PrunedModel
    public let measurement: SubnetMeasurement
    public let densePerplexity: Double
    /// Seconds of scoring, searching and repairing.
    public let seconds: [Workbench.Stage: Double]
    /// λ of the least squares as a share of the Gram's mean diagonal; `nil` where the method solved none.
    public let damping: Double?
    /// Most resident memory of the process, in bytes; `nil` where the system does not say.
    public let peakBytes: Int?
  }

  public var warnings: [String] { opened.warnings }
  private let opened: OpenedBench
  private var bench: Workbench { opened.bench }
  private let method: any PruningMethod
  private let values: SettingValues
  private let plan: CalibrationPlan
  private let target: SizeTarget

  /// - Parameters:
  ///   - path: of the model.
  ///   - assignments: `name=value`, settings of the method.
  ///   - output: where the subnet will be written.
  /// - Throws: before anything slow, whatever is wrong with the request.
  public init(
    model path: String, method name: String, target: SizeTarget, assignments: [String],
    plan: CalibrationPlan, damping: Double?, output: ExportTarget, cache: URL,
    memory: MemoryPlan, monitor: Monitor
  ) throws {
    method = try MethodRegistry.named(name)
    values = try SettingValues(of: method, assignments)
    _ = try plan.sources()
    self.plan = plan
    self.target = target
    let model = try LanguageModel(URL(fileURLWithPath: path), memory: memory)
    try Exporter.check(model, [output], inputs: plan.files(), layersDiffer: !method.keepsOneWidth)
    opened = try OpenedBench(
      model, plan, damping: damping, cache: cache,
      needs: [output.need(parameters: target.parameters(of: model.configuration))], monitor)
  }

  /// Makes the subnet and compares it with the dense model on the held-out windows.
  public func prune() throws -> Outcome {
    let configuration = bench.model.configuration
    let reference = try bench.reference()
    bench.openAccount()
    let pruned = try method.prune(bench, budget: target.blockParameters(of: configuration), values)
    let seconds = Workbench.Stage.allCases.map { ($0, bench.seconds($0)) }
    return Outcome(
      pruned: pruned,
      measurement: SubnetMeasurement(
        pruned.network.configuration, of: configuration, try reference.compare(pruned.network)),
      densePerplexity: reference.perplexity.value,
      seconds: Dictionary(uniqueKeysWithValues: seconds), damping: bench.knownDamping,
      peakBytes: ProcessMemory.lifetimePeak)
  }

  /// Writes an outcome as a checkpoint.
  public func write(_ outcome: Outcome, to target: ExportTarget, toolVersion: String) throws -> ExportResult {
    func words(_ values: [String: String]) -> JSONValue { .object(values.mapValues { .string($0) }) }
    let (pruned, measured) = (outcome.pruned, outcome.measurement)
    var record = try ExportRecord(
      toolVersion: toolVersion,
      origin: [
        "method": .string(method.name), "source": .string(method.source), "settings": words(values.described),
        "decisions": words(pruned.decisions), "seed": .string("\(plan.seed)"),
      ], parent: bench.model, written: pruned.network.configuration, repair: pruned.repair,
      damping: outcome.damping,
      calibration: opened.calibration,
      measured: .init(
        on: opened.calibration.judgedOn, kl: measured[.kl], perplexity: measured[.perplexity],
        densePerplexity: outcome.densePerplexity, top1Agreement: measured[.topOne]))
    record.kept = pruned.units
    return try Exporter.export(
      pruned.network, parent: bench.model, record: record.json, to: target.url, options: target.options)
  }
}

extension LanguageModel {
  /// The checkpoint's name: that of its folder or file.
  var name: String { (checkpoint as? GGUFFile)?.name ?? location.lastPathComponent }
}
