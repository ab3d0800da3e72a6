import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import LanguageModels
import Reformation
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
    public let measurement: SubnetMeasurement
    /// Which repair the weights carry: `none`, `nested` or `sequential`.
    public let repair: Repair
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
  ///
  /// - Parameter repair: `nested` gives the weights that the search judged, `none` the inherited ones; `sequential` is shipped
  ///   if its KL on the fitness windows is lower than that of `nested`.
  public func finish(
    repair: Repair, toolVersion: String, monitor: Monitor
  ) throws -> Finished {
    let genes = evaluator.bound.genes(trial.genome)
    let decision = try evaluator.finish(genes, repair, calibration: opened.windows(genes), monitor)
    let chosen = decision.chosen
    let written = chosen.network.configuration
    let measurement = SubnetMeasurement(written, of: model.configuration, chosen.comparison)
    var record = try record(genes, written, measurement, repair: chosen.repair, toolVersion: toolVersion)
    // A study names its model as it was when it was made.
    record.parentName = description.model.name
    record.kept = try evaluator.units(genes)
    if chosen.repair == .sequential { record.steps = decision.steps }
    return Finished(
      point: point, measurement: measurement, repair: chosen.repair, steps: decision.steps, subnet: chosen.network,
      record: record.json)
  }

  /// Writes a finished subnet as a checkpoint.
  public func write(_ finished: Finished, to target: ExportTarget) throws -> ExportResult {
    try Exporter.export(
      finished.subnet, parent: model, record: finished.record, to: target.url, options: target.options)
  }

  private func record(
    _ genes: BoundSpace.Genes, _ written: ModelConfiguration, _ measurement: SubnetMeasurement, repair: Repair,
    toolVersion: String
  ) throws -> ExportRecord {
    let fitness = description.fitness
    return try ExportRecord(
      toolVersion: toolVersion,
      origin: [
        "study": .string(name), "trial": .integer(point.trial), "score": .string(genes.score),
        "calibration": .string(genes.statistics),
        "genome": .array(genes.widths.map { [.integer($0.groups), .integer($0.channels)] }),
      ], parent: model, written: written, repair: repair, damping: genes.damping ?? description.damping,
      calibration: opened.calibration,
      measured: .init(
        on: "\(fitness.windows) windows of \(fitness.windowLength) tokens of \(fitness.source)", kl: measurement[.kl],
        perplexity: measurement[.perplexity], densePerplexity: description.dense[.perplexity],
        top1Agreement: measurement[.topOne]))
  }
}
