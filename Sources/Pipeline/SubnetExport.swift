import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import Reformation
import Reports
import Runtime
import Studies
import Subnets
import Workbench

/// Takes one point of a study's front away as a checkpoint.
public struct SubnetExport {
  /// A subnet with its final weights.
  public struct Finished: Sendable {
    public let point: FrontPoint
    /// On the study's fitness windows, with the final weights.
    public let measurement: PointMeasurement
    /// Which repair the weights carry: `none`, `nested` or `sequential`.
    public let repair: String
    /// What the sequential repair found for each projection, shipped or not.
    public let steps: [SequentialReformation.Step]
    fileprivate let subnet: Subnet<LanguageModel>
    fileprivate let record: JSONValue
  }

  private let name: String
  private let description: StudyDescription
  private let opened: OpenedStudy
  private let evaluator: CandidateEvaluator
  private let point: FrontPoint
  private let trial: StoredTrial

  private var model: LanguageModel { opened.model }

  /// Opens the study and gathers what the point's weights need.
  ///
  /// - Parameters:
  ///   - point: `best`, `knee` or a point's number.
  ///   - keep: with `best`, the largest share of block parameters.
  ///   - path: of the parent, where it is no longer at the place that the study remembers.
  ///   - targets: where the subnet will be written.
  /// - Throws: before anything slow, whatever is wrong with point, parent and targets.
  public init(
    _ address: StudyAddress, point wanted: String, keep: Double?, model path: String?, targets: [ExportTarget],
    cache: URL, memory: MemoryPlan, monitor: Monitor
  ) throws {
    let study = try address.opened()
    description = try StudyDescription(study)
    let points = try FrontPoints(study: study, description: description, trials: try study.trials())
    point = try points.point(wanted, keep: keep)
    guard let trial = points.trial(point) else {
      throw PipelineError.noPoint(wanted: "'\(wanted)'", available: "its trial is missing")
    }
    self.trial = trial
    name = address.newName ?? study.name
    opened = try OpenedStudy(
      study, description, model: path, targets: targets, parameters: point.measurement.parametersTotal, cache: cache,
      memory: memory, monitor: monitor)
    evaluator = try opened.evaluator(precision: .single)
  }

  /// Gives the point its final weights.
  public func finish(
    repair: FinalRepair, toolVersion: String, monitor: Monitor
  ) throws -> Finished {
    let genes = evaluator.bound.genes(trial.genome)
    let decision = try evaluator.finish(
      genes, repair, calibration: opened.windows(genes), monitor)
    let chosen = decision.chosen
    let measurement = PointMeasurement(chosen.network.configuration, of: model.configuration, chosen.comparison)
    let record = try record(
      point, genes: genes, units: evaluator.units(genes), measurement, repair: chosen.repair,
      steps: chosen.repair == "sequential" ? decision.steps : [], toolVersion: toolVersion)
    return Finished(
      point: point, measurement: measurement, repair: chosen.repair, steps: decision.steps, subnet: chosen.network,
      record: record)
  }

  /// Writes a finished subnet as a checkpoint.
  public func write(_ finished: Finished, to target: ExportTarget) throws -> ExportResult {
    try Exporter.export(
      finished.subnet, parent: model, record: finished.record, to: target.url, options: target.options)
  }

  private func record(
    _ point: FrontPoint, genes: BoundSpace.Genes, units: [KeptUnits], _ measurement: PointMeasurement, repair: String,
    steps: [SequentialReformation.Step], toolVersion: String
  ) throws -> JSONValue {
    [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(toolVersion),
      "study": .string(name), "trial": .integer(point.trial),
      "parent": [
        "name": .string(description.model.name), "fingerprint": .string(description.model.fingerprint),
        "block_parameters": .integer(description.model.parametersBlock),
        "total_parameters": .integer(description.model.parametersTotal),
      ],
      "score": .string(genes.score), "calibration": .string(genes.statistics), "repair": .string(repair),
      "damping": .number(genes.damping ?? description.damping),
      "calibration_sets": opened.calibration.record,
      "genome": .array(genes.widths.map { [.integer($0.groups), .integer($0.channels)] }),
      "kept": KeptUnits.record(units),
      "measured": [
        "on": .string(
          "\(description.fitness.windows) windows of \(description.fitness.windowLength) tokens of "
            + description.fitness.source),
        "kl": .number(measurement.kl), "perplexity": measurement.perplexity.map { .number($0) } ?? .null,
        "dense_perplexity": description.dense.perplexity.map { .number($0) } ?? .null,
        "top1_agreement": measurement.top1Agreement.map { .number($0) } ?? .null,
        "keep_ratio": .number(measurement.keepRatio), "block_parameters": .integer(measurement.parametersBlock),
        "total_parameters": .integer(measurement.parametersTotal),
      ],
      "sequential_repair": .array(steps.map(\.record)),
    ]
  }
}
