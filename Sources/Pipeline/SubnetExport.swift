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
    var name = repair == .none ? "none" : "nested"
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
        (chosen, comparison, name) = (subnet, improved, "sequential")
      }
      steps = sequential.steps
    }
    let measurement = evaluator.measurement(chosen.configuration, comparison)
    let record = try record(
      point, genes: genes, units: factory.units(genes.widths, choice), measurement, repair: name,
      steps: name == "sequential" ? steps : [],
      toolVersion: toolVersion)
    return Finished(
      point: point, measurement: measurement, repair: name, steps: steps, subnet: chosen, record: record)
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
      "calibration_sets": calibration.record,
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
