import Checkpoints
import Exports
import Reports
import Runtime
import Search
import Studies
import Workbench

/// A search: what decides what it finds, where its study is, and when it ends.
public struct SearchRequest: Codable, Equatable, Sendable {
  public var settings: SearchSettings
  /// Address of the study; made, or resumed.
  public var study: String
  public var budget: SearchBudget
  /// How workers take part; `nil` to evaluate alone.
  public var sharing: SharingRequest?

  public init(_ settings: SearchSettings, study: String, budget: SearchBudget) {
    (self.settings, self.study, self.budget) = (settings, study, budget)
  }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try settings.validate()
    try sharing?.validate()
    try PipelineError.require(
      sharing == nil || settings.rungs == 1,
      "with --rungs candidates compete in one process; workers need a study without")
  }
}

/// Searches until the budget is spent, from the model on disk to the study on disk.
public struct SearchJob {
  public enum Outcome: Sendable {
    /// The budget is spent, or the space exhausted.
    case complete
    /// The monitor was cancelled; the same request goes on where this ended.
    case stopped
  }

  /// What happens beside the progress of stages.
  public enum Event: Monitor.Event {
    /// λ of the least squares, and whether held-out tokens chose it.
    case damping(Double, isChosen: Bool)
    /// Who proposes candidates, where that was left open.
    case optimizer(ChosenOptimizer)
    /// Candidates that were evaluated in earlier runs.
    case resumed(evaluations: Int)
    /// The progress changed; a new generation began if `generation` is not `nil`.
    case progress(SearchProgress, generation: Int?, front: Int)
  }

  private let request: SearchRequest
  private let context: JobContext

  public init(_ request: SearchRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Parameter monitor: hears of every stage and every `Event`.
  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    var search: PreparedSearch
    do {
      search = try prepare(monitor)
    } catch is CancellationError {
      return .stopped
    }
    let isComplete = try search.run(request.budget, monitor)
    try search.study.close()
    return isComplete ? .complete : .stopped
  }

  /// Opens or creates the study, reads or samples the calibration, gathers statistics and measures the baselines.
  ///
  /// A failure, or a stop before the study is there, leaves its place as it was. What is computed once for many
  /// studies, the statistics, stays in the cache.
  ///
  /// - Throws: `CancellationError` if the monitor is cancelled.
  func prepare(_ monitor: Monitor) throws -> PreparedSearch {
    try request.validate()
    let ground = try SearchGround(request, in: context)
    let (study, search) = try ground.stored().map { try resume($0, ground, monitor) } ?? begin(ground, monitor)
    let prepared = try PreparedSearch(study, search, sharing: request.sharing)
    if prepared.evaluations > 0 { monitor.tell(Event.resumed(evaluations: prepared.evaluations)) }
    return prepared
  }

  /// Makes ready to go on with a study. What it took before its first candidate is kept with it; this takes little.
  private func resume(
    _ study: Study, _ ground: SearchGround, _ monitor: Monitor
  ) throws -> (Study, CandidateSearch) {
    let description = try StudyDescription(study)
    try context.checkCache(ground.identity.fingerprint, bytes: 0)
    let calibration = try CalibrationFile(
      of: study, model: ground.identity.fingerprint, vocabulary: ground.model.configuration.vocabularySize)
    let development = try DevelopmentFile.read(study, description.settings, of: ground.model.configuration)
    let done = try study.trials().count
    return (study, try candidates(ground, calibration, development, of: description, done: done, monitor))
  }

  /// Makes a study, when all is known that it holds.
  private func begin(_ ground: SearchGround, _ monitor: Monitor) throws -> (Study, CandidateSearch) {
    for format in ExportFormat.allCases {
      let outlook = ExportOutlook(ground.model.configuration, format)
      (ground.bound.mayDiffer ? outlook.warning : ground.bound.mayLoseHeads ? outlook.warningOfFewerHeads : nil)
        .map(Notices.tell)
    }
    let estimate = try ground.estimate(request.budget, context.memory)
    monitor.tell(WorkEstimated(estimate: estimate, cache: context.cache))
    let clock = WorkClock(estimate)
    let monitor = monitor.heard(by: clock.hear)
    try context.checkCache(ground.identity.fingerprint, bytes: estimate.disk)
    let place = try ground.place()
    do {
      let settings = ground.settings
      let calibration = try CalibrationFile.read(
        settings.plan, model: ground.model, precision: settings.precision, monitor)
      let search = try candidates(ground, calibration, ground.development, monitor)
      var description = try StudyDescription(
        ground, search, calibration, baselines: search.baselines(monitor), toolVersion: context.toolVersion)
      let work = clock.finished
      description.work = work
      monitor.tell(work)
      var files = [
        CalibrationFile.name: try calibration.data(), StudyDescription.configurationFile: try settings.json(),
      ]
      files[DevelopmentFile.name] = try ground.development?.data()
      let study = try Study.create(
        in: place, name: ground.name, directions: description.objectives.directions,
        metricNames: description.objectives.names, model: ground.identity, space: ground.bound.design,
        attributes: description.attributes(), files: files)
      return (study, search)
    } catch {
      place.abandon()
      throw error
    }
  }

  /// What judges candidates, and who proposes them.
  ///
  /// - Parameters:
  ///   - development: items of the tasks that are objectives.
  ///   - description: of the study that goes on; `nil` for a new one.
  ///   - done: candidates that it has.
  private func candidates(
    _ ground: SearchGround, _ calibration: CalibrationFile, _ development: DevelopmentFile?,
    of description: StudyDescription? = nil, done: Int = 0, _ monitor: Monitor
  ) throws -> CandidateSearch {
    let (settings, budget) = (ground.settings, request.budget)
    let bench = calibration.bench(
      ground.model, damping: description?.damping ?? settings.damping, in: context, monitor)
    let plan = settings.searchPlan(settings.precision)
    var evaluator = try bench.evaluator(ground.bound, plan, budget: ground.budgeted.size(ground.bound))
    evaluator.examiner = try development.map { try DevelopmentExaminer($0, ground.model, monitor) }
    if plan.repair == .nested {
      monitor.tell(Event.damping(evaluator.repaired.damping, isChosen: settings.damping == nil))
      calibration.shortage(for: ground.model.configuration).map { monitor.tell(JobWarning(text: $0)) }
    }
    let search = try CandidateSearch.prepare(
      evaluator, ground.budgeted, plan,
      .init(evaluations: budget.evaluations.map { max($0, done) }, seconds: budget.seconds),
      known: description?.optimizer, monitor)
    if search.chosen.reason != nil { monitor.tell(Event.optimizer(search.chosen)) }
    return search
  }
}
