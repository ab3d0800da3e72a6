import Exports
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Methods
import Reformation
import Runtime
import Studies
import Subnets
import Workbench

/// Budgets that are to be answered from error curves alone.
public struct SolveRequest: Codable, Equatable, Sendable {
  /// The model; `nil` takes that of the study.
  public var model: String?
  /// Address of a study whose calibration windows are taken; `nil` takes those of `calibration`.
  public var study: String?
  public var calibration = CalibrationPlan()
  /// One for each budget.
  public var targets: [SizeTarget]
  /// Scores of which the one with the smallest predicted error answers a budget.
  public var scores = ["obs-loss", "obs", "flap"]
  public var curveMetric = ErrorCurves.Metric.loss
  /// By what widths are allocated.
  public var allocation = SearchPlan().allocation
  /// Whether layers but the first may lose their attention, their MLP, or both.
  public var dropsModules = false
  /// Numbers of query heads that every kept KV group may keep; `nil` is all of them.
  public var queries: [Int?] = [nil]
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose it.
  public var damping: Double?
  /// Precision in which answers are measured and text is sampled from the model.
  public var precision = Precision.single
  /// The tokens that stay in what is written.
  public var vocabulary = VocabularyRequest.whole
  /// One for each budget, or none.
  public var outputs: [CheckpointOutput] = []
  /// Whether each answer is measured on the held-out windows.
  public var measures = false

  public static let standard = SolveRequest(targets: [])

  public init(targets: [SizeTarget]) { self.targets = targets }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try SizeTarget.check(targets)
    try vocabulary.validate()
    try PipelineError.require(model != nil || study != nil, "give --model, or --study with the folder of a study")
    try PipelineError.require(
      !queries.isEmpty && Set(queries).count == queries.count && queries.allSatisfy { $0 ?? 1 >= 1 },
      "--queries is a list of different positive numbers or all, such as all,2")
    try calibration.validate()
  }
}

/// Finds subnets for any number of budgets from error curves alone, without a search, and writes them.
public struct SolveJob {
  public struct Answer: Sendable {
    /// The largest share of the block parameters that the budget allows.
    public let keepTarget: Double
    public let keepRatio: Double
    public let parametersBlock: Int
    public let parametersTotal: Int
    public let score: String
    /// What the curves promise to add: nats in the metric of the loss.
    public let predictedError: Double
    public let widths: [LayerWidths]
    /// `nil` where all tokens stay.
    public let vocabulary: VocabularyOutcome?
    /// What was measured on the held-out windows; `nil` if nothing was to be.
    public fileprivate(set) var measured: (kl: Double, perplexity: Double, densePerplexity: Double)?
    fileprivate let evaluator: CandidateEvaluator
    fileprivate let genes: BoundSpace.Genes
    /// The word for what MLPs are counted in.
    public var mlpUnits: String { evaluator.bound.configuration.mlpUnits }
  }

  public struct Outcome: Sendable {
    /// One for each budget.
    public let answers: [Answer]
    /// λ of the least squares as a share of the Gram's mean diagonal.
    public let damping: Double?
    /// Seconds until the curves were there, statistics and gradients not counted.
    public let curveSeconds: Double
    /// Seconds for all budgets.
    public let budgetSeconds: Double
    /// One for each output.
    public let exports: [ExportResult]
  }

  /// All that budgets have in common.
  struct Prepared {
    let opened: OpenedBench
    let targets: [ExportTarget]
    let vocabulary: ChosenVocabulary?
    let budgets: [SizeBudget]
    /// One of each number of query heads, for all scores.
    let curves: [(evaluator: CandidateEvaluator, curves: ChoiceCurves)]
    let curveSeconds: Double
    /// What the preparation took, beside what was expected.
    let work: WorkRecord
  }

  /// Whose text is taken, on which model.
  ///
  /// `stored`: the windows of a study, `nil` to read those of the plan; `damping`: `nil` lets held-out tokens choose.
  private typealias Source = (
    model: LanguageModel, plan: CalibrationPlan, stored: CalibrationFile?, damping: Double?
  )

  private let request: SolveRequest
  private let context: JobContext

  public init(_ request: SolveRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// Gathers statistics, and gradients for the metric of the loss, and factorises.
  ///
  /// - Throws: before anything slow, whatever is wrong with the request.
  func prepare(_ monitor: Monitor) throws -> Prepared {
    try request.validate()
    let scores = try request.scores.map(ImportanceRegistry.named)
    let targets = request.outputs.map { $0.target(monitor) }
    let source = try source()
    let configuration = source.model.configuration
    for score in scores { try score.check(configuration) }
    try Exporter.check(
      source.model, targets, inputs: source.plan.files() + request.vocabulary.files, layersDiffer: true)
    let vocabulary = try request.vocabulary.chosen(of: source.model, monitor)
    let written = configuration.written(with: vocabulary)
    let type = request.outputs.first?.type ?? CheckpointOutput.standardType
    let format = request.outputs.first?.format ?? (type.isQuantised ? .gguf : .huggingFace)
    let budgets = try request.targets.map {
      try SizeBudget($0, of: source.model, format: format, type: type, vocabulary)
    }
    for budget in budgets { _ = try budget.first() }
    let estimate = WorkEstimate(try work(source, scores), speed: try .measured(), memory: context.memory)
    monitor.tell(WorkEstimated(estimate: estimate, cache: context.cache))
    let clock = WorkClock(estimate)
    let monitor = monitor.heard(by: clock.hear)
    let needs = zip(targets, request.targets).map { $0.need(parameters: $1.parameters(of: written, as: type)) }
    let opened = try OpenedBench.open(
      source.model, source.plan, stored: source.stored, damping: source.damping, precision: request.precision,
      needs: needs, in: context, monitor)
    var plan = SearchPlan()
    (plan.curveMetric, plan.allocation) = (request.curveMetric, request.allocation)
    plan.gradientWindows = source.plan.gradientWindows
    let evaluators = try request.queries.map { queries in
      let space = SearchSpace.widths(
        scores: request.scores, minimum: request.dropsModules ? 0 : 1, queries: queries)
      return try opened.bench.evaluator(
        BoundSpace(space, to: configuration, calibrationSets: opened.bench.sets.map(\.name)), plan)
    }
    let start = ContinuousClock.now
    let curves = try evaluators.enumerated().map { number, evaluator in
      var curves = ChoiceCurves(evaluator, metric: request.curveMetric)
      try curves.complete(monitor.part(number, of: evaluators.count))
      return (evaluator, curves)
    }
    return Prepared(
      opened: opened, targets: targets, vocabulary: vocabulary, budgets: budgets, curves: curves,
      curveSeconds: (ContinuousClock.now - start) / .seconds(1), work: clock.finished)
  }

  private func source() throws -> Source {
    let study = try request.study.map { try StudyAddress($0).opened() }
    let description = try study.map { try StudyDescription($0) }
    guard let path = request.model ?? description?.settings.model else {
      throw PipelineError.invalidOption("give --model, or --study with the folder of a study")
    }
    let model = try context.model(path)
    let stored = try study.map {
      try CalibrationFile(of: $0, model: model.fingerprint(), vocabulary: model.configuration.vocabularySize)
    }
    return (
      model, description?.settings.plan ?? request.calibration, stored, request.damping ?? description?.damping
    )
  }

  private func work(_ source: Source, _ scores: [any Importance]) throws -> WorkEstimate.Work {
    let (plan, spaces) = (source.plan, Double(request.queries.count))
    var work = WorkEstimate.Work(source.model.configuration)
    work.sampledTokens = source.stored == nil ? try plan.sampledTokens() : 0
    work.precision = request.precision
    work.calibrationTokens = try plan.setNames().map { _ in plan.calibrationWindows * plan.calibrationLength }
    work.gradients = request.curveMetric.gradients.union(scores.compactMap(\.gradients)).map {
      ($0, plan.gradientTokens)
    }
    if request.allocation == .quadratic, request.curveMetric == .loss {
      work.correlatedTokens = request.queries.count * plan.gradientTokens
    }
    work.fitnessTokens = plan.fitnessWindows * plan.fitnessLength
    work.curves = spaces * Double(scores.count)
    work.eliminations = spaces * Double(scores.count { $0 is LossOBS })
    work.choosesDamping = source.damping == nil
    return work
  }

  /// Answers budgets, one after the other.
  ///
  /// - Parameter monitor: hears of warnings, of what the work will take and of what it took.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let prepared = try prepare(monitor)
    let bench = prepared.opened.bench
    prepared.opened.warn(monitor)
    let start = ContinuousClock.now
    let tell = { (words: String) in monitor.tell(JobWarning(text: words)) }
    var answers = try prepared.budgets.enumerated().map { place, budget in
      let target = prepared.targets.isEmpty ? nil : prepared.targets[place]
      return try budget.fitted(.many, notice: tell) {
        let (answer, shape) = try solve(budget.target, budget: $0, prepared)
        let origin = target == nil || budget.target.bytes == nil ? nil : try record(answer, shape, prepared)
        return SizeBudget.Made(
          subnet: answer, configuration: shape.written(with: prepared.vocabulary),
          record: try origin?.bytes(in: target) ?? 0)
      }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    for (place, answer) in answers.enumerated() where request.measures {
      let reference = try bench.reference(request.precision)
      let comparison = try reference.compare(answer.evaluator.subnet(answer.genes))
      answers[place].measured = (comparison.divergence, comparison.perplexity.value, reference.perplexity.value)
    }
    monitor.tell(prepared.work)
    return Outcome(
      answers: answers, damping: bench.knownDamping, curveSeconds: prepared.curveSeconds, budgetSeconds: seconds,
      exports: try zip(answers, prepared.targets).map { try write($0, to: $1, prepared) })
  }

  /// The subnet of least predicted error.
  ///
  /// - Parameter budget: most block parameters.
  /// - Throws: `MethodError.impossibleBudget`.
  private func solve(
    _ target: SizeTarget, budget: Int, _ prepared: Prepared
  ) throws -> (answer: Answer, shape: ModelConfiguration) {
    let bench = prepared.opened.bench
    let found = prepared.curves.compactMap { entry in
      entry.curves.solution(budget: budget).map { (entry.evaluator, $0) }
    }
    guard let (evaluator, solution) = found.min(by: { $0.1.predictedError < $1.1.predictedError }) else {
      throw MethodError.impossible("solve", bench, budget: budget)
    }
    let genes = evaluator.genes(solution)
    let shape = evaluator.configuration(genes)
    let answer = Answer(
      keepTarget: target.share(of: bench.configuration, blockParameters: budget),
      keepRatio: bench.configuration.keepRatio(of: shape), parametersBlock: shape.blockParameters,
      parametersTotal: shape.written(with: prepared.vocabulary).totalParameters, score: genes.score,
      predictedError: solution.predictedError, widths: genes.widths,
      vocabulary: prepared.vocabulary?.outcome(for: shape), evaluator: evaluator, genes: genes)
    return (answer, shape)
  }

  private func write(_ answer: Answer, to target: ExportTarget, _ prepared: Prepared) throws -> ExportResult {
    let subnet = try answer.evaluator.subnet(answer.genes)
    return try record(answer, subnet.configuration, prepared).export(subnet, to: target)
  }

  private func record(
    _ answer: Answer, _ configuration: ModelConfiguration, _ prepared: Prepared
  ) throws -> ExportRecord {
    let opened = prepared.opened
    var record = ExportRecord(
      toolVersion: context.toolVersion,
      origin: [
        "method": "solve", "score": .string(answer.score), "curve_metric": .string(request.curveMetric.rawValue),
      ], parent: opened.bench.model, network: configuration, vocabulary: prepared.vocabulary,
      calibration: opened.calibration)
    (record.repair, record.damping) = (.nested, opened.bench.knownDamping)
    record.measured.predictedError = answer.predictedError
    record.kept = try answer.evaluator.units(answer.genes)
    return record
  }
}
