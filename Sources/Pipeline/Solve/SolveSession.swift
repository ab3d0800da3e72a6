import Calibration
import Checkpoints
import Evaluation
import Exports
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Methods
import Reformation
import Reports
import Runtime
import Studies
import Subnets
import Workbench

/// Subnets for any number of budgets from error curves alone, without a search.
public final class SolveSession {
  /// The answer to one budget.
  public struct Answer: Sendable {
    public let keepTarget: Double
    public let keepRatio: Double
    public let parametersBlock: Int
    public let parametersTotal: Int
    public let score: String
    /// What the curves promise to add: nats in the metric of the loss.
    public let predictedError: Double
    public let widths: [Subnets.LayerWidths]
    fileprivate let curves: Int
    fileprivate let genes: BoundSpace.Genes
  }

  /// Where calibration comes from.
  public enum Source {
    case plan(CalibrationPlan)
    /// The folder of a study, whose windows are taken.
    case study(StudyAddress)
  }

  public let metric: ErrorCurves.Metric
  /// Seconds until the curves were there, statistics and gradients not counted.
  public private(set) var curveSeconds = 0.0
  /// What the preparation took, beside what was expected.
  public private(set) var work: WorkRecord
  /// λ of the least squares as a share of the Gram's mean diagonal.
  public var damping: Double? { bench.knownDamping }
  public var warnings: [String] { opened.warnings }
  private let opened: OpenedBench
  private var bench: Workbench { opened.bench }
  private let precision: Precision
  /// One of each number of query heads, for all scores.
  private let curves: [(evaluator: CandidateEvaluator, curves: ChoiceCurves)]

  /// Gathers statistics, and gradients for the metric of the loss, and factorises: all that budgets have in common.
  ///
  /// - Parameters:
  ///   - path: of the model; `nil` takes that of the study.
  ///   - scores: those of whom the one with the smallest predicted error answers each budget.
  ///   - droppingModules: whether layers but the first may lose their attention, their MLP, or both.
  ///   - queries: numbers of query heads that every kept KV group may keep; `nil` is all of them.
  ///   - precision: in which answers are measured, and the model runs while text is sampled from it.
  ///   - outputs: where answers will be written, each of at most a share of the block parameters.
  /// - Throws: before anything slow, whatever is wrong with the request.
  public init(
    model path: String?, source: Source, scores names: [String], metric: ErrorCurves.Metric,
    droppingModules: Bool = false, queries: [Int?] = [nil], damping: Double?, precision: Precision = .single,
    outputs: [(target: ExportTarget, keep: Double)], cache: URL,
    memory: MemoryPlan, monitor: Monitor
  ) throws {
    (self.metric, self.precision) = (metric, precision)
    let scores = try names.map(ImportanceRegistry.named)
    var stored: CalibrationFile?
    let plan: CalibrationPlan
    let model: LanguageModel
    var damping = damping
    switch source {
    case .plan(let given):
      guard let path else { throw PipelineError.invalidOption("--model is needed where there is no --study") }
      plan = given
      model = try LanguageModel(URL(fileURLWithPath: path), memory: memory)
    case .study(let address):
      let study = try address.opened()
      let description = try StudyDescription(study)
      let settings = description.settings
      plan = settings.plan
      damping = damping ?? description.damping
      model = try LanguageModel(URL(fileURLWithPath: path ?? settings.model), memory: memory)
      stored = try CalibrationFile(
        of: study, model: model.fingerprint(), vocabulary: model.configuration.vocabularySize)
    }
    try Exporter.check(model, outputs.map(\.target), inputs: plan.files(), layersDiffer: true)
    let gradients = metric.gradients.union(scores.compactMap(\.gradients))
    let choices = scores.flatMap { score in queries.map { (score: score, queries: $0) } }
    var need = WorkEstimate.Work(model.configuration)
    need.sampledTokens = stored == nil ? try plan.sampledTokens() : 0
    need.precision = precision
    need.calibrationTokens = try plan.setNames().map { _ in plan.calibrationWindows * plan.calibrationLength }
    need.gradients = gradients.map { ($0, plan.gradientTokens) }
    need.fitnessTokens = plan.fitnessWindows * plan.fitnessLength
    need.curves = Double(choices.count)
    need.eliminations = Double(choices.count { $0.score is LossOBS })
    need.choosesDamping = damping == nil
    let estimate = WorkEstimate(need, speed: try .measured(), memory: memory)
    monitor.tell(WorkEstimated(estimate: estimate, cache: cache))
    let clock = WorkClock(estimate)
    let monitor = monitor.heard(by: clock.hear)
    let needs = outputs.map { output in
      output.target.need(parameters: SizeTarget.keep(output.keep).parameters(of: model.configuration))
    }
    opened = try OpenedBench(
      model, plan, stored: stored, damping: damping, precision: precision, cache: cache, needs: needs, monitor)
    let bench = opened.bench
    let evaluators = try queries.map { queries in
      let space = SearchSpace.widths(
        scores: names, of: bench, minimum: droppingModules ? 0 : 1, queries: queries)
      return try bench.evaluator(
        BoundSpace(space, to: model.configuration, calibrationSets: bench.sets.map(\.name)),
        repair: .nested, curveMetric: metric, gradientWindows: plan.gradientWindows)
    }
    let start = ContinuousClock.now
    curves = try evaluators.enumerated().map { number, evaluator in
      var curves = ChoiceCurves(evaluator, metric: metric)
      try curves.complete(monitor.part(number, of: evaluators.count))
      return (evaluator, curves)
    }
    curveSeconds = (ContinuousClock.now - start) / .seconds(1)
    work = clock.finished
  }

  /// The subnet of least predicted error.
  ///
  /// - Parameter keep: largest share of the block parameters.
  /// - Throws: `MethodError.impossibleBudget`.
  public func solve(keep: Double) throws -> Answer {
    let configuration = bench.model.configuration
    let budget = SizeTarget.keep(keep).blockParameters(of: configuration)
    let found = curves.enumerated().compactMap { number, entry in
      entry.curves.solution(budget: budget).map { (number, $0) }
    }
    guard let (number, solution) = found.min(by: { $0.1.predictedError < $1.1.predictedError }) else {
      throw MethodError.impossible("solve", bench, budget: budget)
    }
    let genes = curves[number].evaluator.genes(solution)
    var shape = configuration
    shape.layers = zip(genes.widths, configuration.layers).map { $0.shape(of: $1) }
    return Answer(
      keepTarget: keep, keepRatio: configuration.keepRatio(of: shape),
      parametersBlock: shape.blockParameters, parametersTotal: shape.totalParameters,
      score: genes.score, predictedError: solution.predictedError, widths: genes.widths, curves: number, genes: genes)
  }

  /// KL divergence from the dense model and perplexity of an answer's repaired subnet, on the held-out windows.
  ///
  public func measure(_ answer: Answer) throws -> (
    kl: Double, perplexity: Double, densePerplexity: Double
  ) {
    let reference = try bench.reference(precision)
    let comparison = try reference.compare(curves[answer.curves].evaluator.subnet(answer.genes))
    return (comparison.divergence, comparison.perplexity.value, reference.perplexity.value)
  }

  /// Writes the repaired subnet of an answer as a checkpoint.
  public func write(_ answer: Answer, to target: ExportTarget, toolVersion: String) throws -> ExportResult {
    let evaluator = curves[answer.curves].evaluator
    let subnet = try evaluator.subnet(answer.genes)
    var record = try ExportRecord(
      toolVersion: toolVersion,
      origin: [
        "method": "solve", "score": .string(answer.score), "curve_metric": .string(metric.rawValue),
      ], parent: bench.model, written: subnet.configuration, repair: .nested, damping: damping,
      calibration: opened.calibration, measured: .init(predictedError: answer.predictedError))
    record.kept = try evaluator.units(answer.genes)
    return try Exporter.export(
      subnet, parent: bench.model, record: record.json, to: target.url, options: target.options)
  }
}
