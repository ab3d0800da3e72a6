import Exports
import LinearAlgebra
import Reformation
import Runtime
import Studies

/// Budgets that are to be answered from error curves alone.
public struct SolveRequest: Codable, Equatable, Sendable {
  /// The model; `nil` takes that of the study.
  public var model: String?
  /// Address of a study whose calibration windows are taken; `nil` takes those of `calibration`.
  public var study: String?
  public var calibration = CalibrationPlan()
  /// Shares of the block parameters to keep at most, one for each budget.
  public var keeps: [Double]
  /// Scores of which the one with the smallest predicted error answers a budget.
  public var scores = ["obs-loss", "obs", "flap"]
  public var curveMetric = ErrorCurves.Metric.loss
  /// Whether layers but the first may lose their attention, their MLP, or both.
  public var dropsModules = false
  /// Numbers of query heads that every kept KV group may keep; `nil` is all of them.
  public var queries: [Int?] = [nil]
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose it.
  public var damping: Double?
  /// Precision in which answers are measured and text is sampled from the model.
  public var precision = Precision.single
  /// One for each budget, or none.
  public var outputs: [CheckpointOutput] = []
  /// Whether each answer is measured on the held-out windows.
  public var measures = false

  public static let standard = SolveRequest(keeps: [])

  public init(keeps: [Double]) { self.keeps = keeps }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    func require(_ condition: Bool, _ problem: String) throws {
      if !condition { throw PipelineError.invalidOption(problem) }
    }
    try require(
      !keeps.isEmpty && keeps.allSatisfy { $0 > 0 && $0 <= 1 } && Set(keeps).count == keeps.count,
      "--keep is a list of different shares above 0 and at most 1, such as 0.9,0.8")
    try require(model != nil || study != nil, "give --model, or --study with the folder of a study")
    try require(
      !queries.isEmpty && Set(queries).count == queries.count && queries.allSatisfy { $0 ?? 1 >= 1 },
      "--queries is a list of different positive numbers or all, such as all,2")
  }
}

/// Answers budgets, one after the other, and writes the subnets.
public struct SolveJob {
  public struct Outcome: Sendable {
    /// One for each budget.
    public let answers: [SolveSession.Answer]
    /// What was measured of each answer; empty if nothing was to be.
    public let measured: [(kl: Double, perplexity: Double, densePerplexity: Double)]
    /// λ of the least squares as a share of the Gram's mean diagonal.
    public let damping: Double?
    /// Seconds until the curves were there, statistics and gradients not counted.
    public let curveSeconds: Double
    /// Seconds for all budgets.
    public let budgetSeconds: Double
    /// One for each output.
    public let exports: [ExportResult]
  }

  private let request: SolveRequest
  private let context: JobContext

  public init(_ request: SolveRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Parameter monitor: hears of warnings, of what the work will take and of what it took.
  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    let targets = request.outputs.map { $0.target(monitor) }
    let session = try SolveSession(
      model: request.model, source: request.study.map { .study(try StudyAddress($0)) } ?? .plan(request.calibration),
      scores: request.scores, metric: request.curveMetric, droppingModules: request.dropsModules,
      queries: request.queries, damping: request.damping, precision: request.precision,
      outputs: Array(zip(targets, request.keeps)), cache: context.cache, memory: context.memory, monitor: monitor)
    for warning in session.warnings { monitor.tell(JobWarning(warning)) }
    let start = ContinuousClock.now
    let answers = try request.keeps.map { try session.solve(keep: $0) }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let measured = request.measures ? try answers.map { try session.measure($0) } : []
    monitor.tell(WorkDone(record: session.work))
    return Outcome(
      answers: answers, measured: measured, damping: session.damping, curveSeconds: session.curveSeconds,
      budgetSeconds: seconds,
      exports: try zip(answers, targets).map {
        try session.write($0, to: $1, toolVersion: context.toolVersion)
      })
  }
}
