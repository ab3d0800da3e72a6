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
  private let model: LanguageModel
  private let evaluator: CandidateEvaluator
  private let calibration: CalibrationFile
  private let point: FrontPoint
  private let trial: StoredTrial

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
    let opened = try OpenedStudy(
      study, description, model: path, targets: targets, parameters: point.measurement.parametersTotal, cache: cache,
      memory: memory, monitor: monitor)
    model = opened.model
    calibration = opened.calibration
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
    let factory = repair == .none ? evaluator.inherited : evaluator.repaired
    let choice = genes.choice
    let nested = try factory.subnet(genes.widths, choice, monitor: monitor)
    var chosen = nested
    var comparison = try evaluator.reference.compare(nested)
    var shipped = repair == .none ? Repair.none : .nested
    var steps: [SequentialReformation.Step] = []
    if repair == .sequential {
      let sequential = try SequentialReformation(
        // From the inherited weights: shrinking toward the nested solution keeps its overfit (results/which-repair).
        parent: model, subnet: try evaluator.inherited.subnet(genes.widths, choice),
        calibration: windows(genes), heldOut: calibration.fitness, monitor: monitor)
      let subnet = sequential.subnet(of: nested)
      let improved = try evaluator.reference.compare(subnet)
      // The fitness windows decide: a repair that only fits its own calibration is not shipped.
      if improved.divergence < comparison.divergence {
        (chosen, comparison, shipped) = (subnet, improved, .sequential)
      }
      steps = sequential.steps
    }
    let measurement = evaluator.measurement(chosen.configuration, Quality(comparison))
    var record = try record(genes, chosen.configuration, measurement, repair: shipped, toolVersion: toolVersion)
    // A study names its model as it was when it was made.
    record.parentName = description.model.name
    record.kept = try factory.units(genes.widths, choice)
    if shipped == .sequential { record.steps = steps }
    return Finished(
      point: point, measurement: measurement, repair: shipped, steps: steps, subnet: chosen,
      record: record.json)
  }

  /// Writes a finished subnet as a checkpoint.
  public func write(_ finished: Finished, to target: ExportTarget) throws -> ExportResult {
    try Exporter.export(
      finished.subnet, parent: model, record: finished.record, to: target.url, options: target.options)
  }

  private func windows(_ genes: BoundSpace.Genes) -> TokenWindows {
    let sets = calibration.sets.filter { genes.calibration == BoundSpace.mix || $0.name == genes.calibration }
    return TokenWindows(
      length: sets.first?.calibrationLength ?? 1,
      tokens: sets.flatMap { $0.calibrationTokens.prefix(genes.samples.map { $0 * sets[0].calibrationLength } ?? .max) }
    )
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
      calibration: calibration,
      measured: .init(
        on: "\(fitness.windows) windows of \(fitness.windowLength) tokens of \(fitness.source)", kl: measurement[.kl] ?? .nan,
        perplexity: measurement[.perplexity], densePerplexity: description.dense[.perplexity],
        top1Agreement: measurement[.topOne]))
  }
}
