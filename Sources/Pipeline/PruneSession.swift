import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import LinearAlgebra
import Methods
import Reports
import Runtime
import Subnets
import Workbench

/// One method applied to one model.
public struct PruneSession {
  /// What came out.
  public struct Outcome {
    public let pruned: PrunedModel
    public let measurement: PointMeasurement
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
  private let target: SearchSettings.Target

  /// - Parameters:
  ///   - path: of the model.
  ///   - assignments: `name=value`, settings of the method.
  ///   - output: where the subnet will be written.
  /// - Throws: before anything slow, whatever is wrong with the request.
  public init(
    model path: String, method name: String, target: SearchSettings.Target, assignments: [String],
    plan: CalibrationPlan, damping: Double?, output: ExportTarget, cache: URL,
    memory: MemoryPlan, monitor: Monitor
  ) throws {
    method = try MethodRegistry.named(name)
    values = try SettingValues(of: method, assignments)
    _ = try plan.sources()
    self.plan = plan
    self.target = target
    let model = try LanguageModel(URL(fileURLWithPath: path), memory: memory)
    try Exporter.check(model, [output], inputs: plan.files())
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
      measurement: PointMeasurement(
        pruned.network.configuration, of: configuration, try reference.compare(pruned.network)),
      densePerplexity: reference.perplexity.value,
      seconds: Dictionary(uniqueKeysWithValues: seconds), damping: bench.knownDamping,
      peakBytes: ProcessMemory.lifetimePeak)
  }

  /// Writes an outcome as a checkpoint.
  public func write(_ outcome: Outcome, to target: ExportTarget, toolVersion: String) throws -> ExportResult {
    try Exporter.export(
      outcome.pruned.network, parent: bench.model, record: record(outcome, toolVersion), to: target.url,
      options: target.options)
  }

  private func record(_ outcome: Outcome, _ toolVersion: String) -> JSONValue {
    let configuration = bench.model.configuration
    let measured = outcome.measurement
    let fitness = opened.calibration.fitness
    func words(_ values: [String: String]) -> JSONValue { .object(values.mapValues { .string($0) }) }
    return [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(toolVersion),
      "method": .string(method.name), "source": .string(method.source), "settings": words(values.described),
      "decisions": words(outcome.pruned.decisions),
      "parent": [
        "name": .string(bench.model.name), "fingerprint": .string(bench.fingerprint),
        "block_parameters": .integer(configuration.blockParameters),
        "total_parameters": .integer(configuration.totalParameters),
      ],
      "repair": .string(outcome.pruned.repair), "damping": outcome.damping.map { .number($0) } ?? .null,
      "seed": .string("\(plan.seed)"), "calibration_sets": opened.calibration.record,
      "kept": KeptUnits.record(outcome.pruned.units),
      "measured": [
        "on": .string(
          "\(fitness.count) windows of \(fitness.length) tokens of "
            + opened.calibration.sets.map(\.name).joined(separator: ", ")),
        "kl": .number(measured.kl), "perplexity": measured.perplexity.map { .number($0) } ?? .null,
        "dense_perplexity": .number(outcome.densePerplexity),
        "top1_agreement": measured.top1Agreement.map { .number($0) } ?? .null,
        "keep_ratio": .number(measured.keepRatio), "block_parameters": .integer(measured.parametersBlock),
        "total_parameters": .integer(measured.parametersTotal),
      ],
    ]
  }
}

extension SearchSettings.Target {
  /// Most block parameters that the target allows.
  func blockParameters(of configuration: ModelConfiguration) -> Int {
    switch self {
    case .keep(let share): Int((share * Double(configuration.blockParameters)).rounded(.down))
    case .parameters(let count): count - configuration.outerParameters
    case .memory(let bytes): bytes / 2 - configuration.outerParameters
    }
  }

  /// Parameters of a subnet that comes within a tenth of the target, for what is known of its size beforehand.
  func parameters(of configuration: ModelConfiguration) -> Int {
    configuration.outerParameters + max(0, blockParameters(of: configuration)) / 10 * 9
  }
}

extension LanguageModel {
  /// The checkpoint's name: that of its folder or file.
  var name: String { (checkpoint as? GGUFFile)?.name ?? location.lastPathComponent }
}

extension CalibrationFile {
  /// The sets as an export's record names them.
  var record: JSONValue {
    .array(
      sets.map { set in
        [
          "name": .string(set.name), "source": .string(set.source), "sha256": set.sha256.map { .string($0) } ?? .null,
          "windows": .integer(set.windows.calibration.count), "length": .integer(set.calibrationLength),
          "seed": set.seed.map { .string("\($0)") } ?? .null,
          "filter": set.filter.map { .string($0.options.joined(separator: " ")) } ?? .null,
          "filtered": set.filtered.map { .string($0.summary) } ?? .null,
        ]
      })
  }
}
