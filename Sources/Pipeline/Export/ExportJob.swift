import Evaluation
import Exports
import LanguageModels
import LossRepair
import Reformation
import Runtime
import Studies
import Subnets
import Workbench

/// A point of a study's front that is to be taken away as checkpoints.
public struct ExportRequest: Codable, Equatable, Sendable {
  /// Address of the study.
  public var study: String
  /// `best`, `knee` or a point's number.
  public var point = "best"
  /// With `best`: what the point may cost at most, as the largest of the outputs is written.
  public var target: SizeTarget?
  /// `sequential`, `gaussNewton`, `descent`, `nested` or `none`.
  public var repair = Repair.sequential
  /// The parent, if it is no longer at the place that the study remembers.
  public var model: String?
  /// The tokens that stay.
  public var vocabulary = VocabularyRequest.whole
  public var outputs: [CheckpointOutput]

  public static let standard = ExportRequest(study: "", outputs: [])

  public init(study: String, outputs: [CheckpointOutput]) { (self.study, self.outputs) = (study, outputs) }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(
      repair.beginsSequentially || [.nested, .none].contains(repair),
      "--repair is sequential, gauss-newton, descent, nested or none")
    try vocabulary.validate()
    guard let target else { return }
    try PipelineError.require(
      point == "best", "--\(target.named.option) goes with --point best only, not with '\(point)'")
    try target.validate()
  }
}

/// Gives a point of a front its final weights, and writes it.
public struct ExportJob {
  public struct Outcome: Sendable {
    public let point: FrontPoint
    /// `nil` where all tokens stay.
    public let vocabulary: VocabularyOutcome?
    /// Sizes of what was written; the rest on the study's fitness windows, with the final weights and all tokens.
    public let measurement: SubnetMeasurement
    /// Which repair the weights carry.
    public let repair: Repair
    /// What the sequential repair found for each projection, shipped or not.
    public let steps: [SequentialReformation.Step]
    /// What a descent measured on its way; empty if there was none.
    public let checks: [DescentCheck]
    /// What steps in the loss found; empty if there were none.
    public let rounds: [LossStepRound]
    /// One for each output.
    public let exports: [ExportResult]
  }

  /// A point of an opened study, and what makes its weights.
  struct Prepared {
    let name: String
    let opened: OpenedStudy
    let evaluator: CandidateEvaluator
    let point: FrontPoint
    let genes: BoundSpace.Genes
    let targets: [ExportTarget]
    let vocabulary: ChosenVocabulary?
  }

  private let request: ExportRequest
  private let context: JobContext

  public init(_ request: ExportRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// Opens the study and gathers what the point's weights need.
  ///
  /// - Throws: before anything slow, whatever is wrong with point, parent and outputs.
  func prepare(_ monitor: Monitor) throws -> Prepared {
    try request.validate()
    let targets = request.outputs.map { $0.target(monitor) }
    let address = try StudyAddress(request.study)
    let study = try address.opened()
    let description = try StudyDescription(study)
    let model = try description.opened(model: request.model, in: context)
    try Exporter.check(
      model, targets, inputs: request.vocabulary.files,
      layersDiffer: description.settings.searchSpace().layers != .shared)
    let points = try FrontPoints(study: study, description: description, trials: try study.trials())
    // A point that is not there is an error before texts are read.
    _ = try points.point(request.point, within: nil)
    let vocabulary = try request.vocabulary.chosen(of: model, monitor)
    let written = model.configuration.written(with: vocabulary)
    let point = try points.point(request.point, within: try limit(description, model, vocabulary))
    guard let trial = points.trial(point) else {
      throw PipelineError.noPoint(wanted: "'\(request.point)'", available: "its trial is missing")
    }
    let parameters = point.measurement.parametersBlock + written.outerParameters
    let opened = try OpenedStudy(
      study, description, model: model, needs: targets.map { $0.need(parameters: parameters) }, in: context, monitor)
    let evaluator = try opened.evaluator(precision: .single)
    return Prepared(
      name: address.newName ?? study.name, opened: opened, evaluator: evaluator, point: point,
      genes: evaluator.bound.genes(trial.genome), targets: targets, vocabulary: vocabulary)
  }

  /// Which points are looked at: those that meet the target with every output.
  private func limit(
    _ description: StudyDescription, _ model: LanguageModel, _ vocabulary: ChosenVocabulary?
  ) throws -> FrontPoints.Limit? {
    guard let target = request.target else { return nil }
    let budgets = try request.outputs.map {
      try SizeBudget(target, of: model, format: $0.format, type: $0.type, vocabulary)
    }
    for budget in budgets { _ = try budget.first() }
    let settings = description.settings
    let bound = try BoundSpace(
      settings.searchSpace(), to: model.configuration, calibrationSets: settings.plan.setNames())
    return FrontPoints.Limit(option: target.text) { point in
      let configuration = bound.configuration(point.widths).written(with: vocabulary)
      return try budgets.allSatisfy { try $0.holds(configuration) }
    }
  }

  /// The point with its final weights in memory, and the repair that these carry; nothing is written.
  func network(_ prepared: Prepared, _ monitor: Monitor) throws -> (network: LanguageModel, repair: Repair) {
    let chosen = try finish(prepared, monitor).chosen
    let network = LanguageModel(
      prepared.opened.model, configuration: chosen.network.configuration, finalNorm: chosen.network.finalNorm,
      layer: chosen.network.layer)
    return (network, chosen.repair)
  }

  private func finish(_ prepared: Prepared, _ monitor: Monitor) throws -> RepairDecision {
    let windows = prepared.opened.windows(prepared.genes)
    return try prepared.evaluator.finish(prepared.genes, request.repair, calibration: windows, monitor)
  }

  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let prepared = try prepare(monitor)
    let (opened, genes) = (prepared.opened, prepared.genes)
    let decision = try finish(prepared, monitor)
    let chosen = decision.chosen
    let network = chosen.network.configuration
    let measurement = SubnetMeasurement(
      network.written(with: prepared.vocabulary), of: opened.model.configuration, chosen.comparison)
    var record = record(prepared, chosen, measurement)
    record.kept = try prepared.evaluator.units(genes)
    if chosen.repair.beginsSequentially { record.steps = decision.steps }
    if chosen.repair == .descent { record.checks = decision.checks }
    if chosen.repair == .gaussNewton { record.rounds = decision.rounds }
    return Outcome(
      point: prepared.point, vocabulary: prepared.vocabulary?.outcome(for: network), measurement: measurement,
      repair: chosen.repair, steps: decision.steps, checks: decision.checks, rounds: decision.rounds,
      exports: try prepared.targets.map { try record.export(chosen.network, to: $0) })
  }

  private func record(
    _ prepared: Prepared, _ chosen: RepairDecision.Repaired, _ measurement: SubnetMeasurement
  ) -> ExportRecord {
    let (opened, genes, description) = (prepared.opened, prepared.genes, prepared.opened.description)
    var record = ExportRecord(
      toolVersion: context.toolVersion,
      origin: [
        "study": .string(prepared.name), "trial": .integer(prepared.point.trial), "score": .string(genes.score),
        "calibration": .string(genes.statistics),
        "genome": .array(genes.widths.map { [.integer($0.groups), .integer($0.channels)] }),
      ], parent: opened.model, network: chosen.network.configuration, vocabulary: prepared.vocabulary,
      calibration: opened.calibration)
    (record.repair, record.damping) = (chosen.repair, genes.damping ?? description.damping)
    // A study names its model as it was when it was made.
    record.parentName = description.model.name
    let fitness = description.fitness
    record.measured = .init(
      measurement, on: "\(fitness.windows) windows of \(fitness.windowLength) tokens of \(fitness.source)",
      densePerplexity: description.dense[.perplexity])
    return record
  }
}
