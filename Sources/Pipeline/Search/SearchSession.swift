import Calibration
import Checkpoints
import Evaluation
import Foundation
import Importance
import LanguageModels
import Reformation
import Reports
import Runtime
import Search
import Studies
import Subnets
import Workbench

/// One search, from the model on disk to the study on disk.
public final class SearchSession {
  /// What happens while a session is prepared and runs, beside the progress of its stages.
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

  public let study: Study
  private let settings: SearchSettings
  private let optimizer: SearchOptimizer
  private let objectives: ObjectiveList
  private let evaluator: CandidateEvaluator
  private var runner: StudyRunner<AnyOptimizer>
  private let population: FirstPopulation
  private var rungs: FidelityRungs
  private var failures: FailureRule
  private let convergence: Convergence
  /// Seconds that earlier runs spent on evaluations.
  private let earlierSeconds: Double

  /// Opens or creates the study, reads or samples the calibration, gathers statistics and measures the baselines.
  ///
  /// A failure, or a stop before the study is there, leaves its place as it was. What is computed once for many
  /// studies, the statistics, stays in the cache.
  ///
  /// - Parameters:
  ///   - address: where the study is or will be.
  ///   - budget: of the search, by which an optimiser is chosen where that is left open.
  ///   - cache: folder for statistics.
  ///   - isShared: whether workers will take part.
  ///   - monitor: hears of progress and of every `Event`; if it is cancelled, the preparation ends with `CancellationError`.
  public init(
    _ settings: SearchSettings, at address: StudyAddress, budget: SearchBudget, cache: URL,
    toolVersion: String, isShared: Bool = false, memory: MemoryPlan, monitor: Monitor
  ) throws {
    self.settings = settings
    if isShared && settings.rungs > 1 {
      throw PipelineError.invalidOption("with --rungs candidates compete in one process; workers need a study without")
    }
    guard let name = address.newName else {
      throw PipelineError.invalidOption("a study on a server needs a name: \(address)#NAME")
    }
    let model = try LanguageModel(
      URL(fileURLWithPath: settings.model), engine: settings.engine.engine, memory: memory)
    let fingerprint = try model.fingerprint()
    let identity = ModelIdentity(name: model.name, fingerprint: fingerprint)
    // Before anything slow: whatever can be wrong with the request.
    let precision = try settings.evaluationPrecision()
    objectives = try ObjectiveList(settings.objectives)
    let space = try settings.searchSpace()
    let names = try settings.plan.setNames()
    let bound = try BoundSpace(space, to: model.configuration, calibrationSets: names)
    let budgeted = try Self.budgeted(bound, settings)
    try settings.checkOptimizer()
    let known = try Self.stored(settings, address, identity, bound.design)
    // What a study took before its first candidate is kept with it; going on with one takes little.
    let clock = try known == nil ? WorkClock(Self.estimate(settings, bound, names, budget, memory)) : nil
    if let clock { monitor.tell(WorkEstimated(estimate: clock.estimate, cache: cache)) }
    let monitor = clock.map { monitor.heard(by: $0.hear) } ?? monitor
    try CachePlace(folder: cache, fingerprint: fingerprint, bytes: clock?.estimate.disk ?? 0).check()
    var place = try known == nil ? Self.place(address, name: name, settings, model) : nil
    do {
      let calibration =
        try known.map { study in
          try CalibrationFile(
            of: study, model: fingerprint, vocabulary: model.configuration.vocabularySize)
        }
        ?? CalibrationFile(
          settings.plan, model: model, fingerprint: fingerprint, precision: precision, monitor: monitor)
      let bench = Workbench(
        model: model, fingerprint: fingerprint, sets: calibration.sets.map(\.windows), heldOut: calibration.fitness,
        damping: try known.map { try StudyDescription($0).damping } ?? settings.damping, cache: cache, monitor: monitor)
      let plan = settings.searchPlan(precision)
      let evaluator = try bench.evaluator(
        bound, repair: plan.repair, precision: precision, curveMetric: plan.curveMetric,
        gradientWindows: plan.gradientWindows)
      let damping = evaluator.repaired.damping
      if plan.repair == .nested {
        monitor.tell(Event.damping(damping, isChosen: settings.damping == nil))
        calibration.shortage(for: model.configuration).map { monitor.tell(JobWarning($0)) }
      }
      let done = try known?.trials().count ?? 0
      let search = try CandidateSearch.prepare(
        evaluator, budgeted, plan,
        .init(evaluations: budget.evaluations.map { max($0, done) }, seconds: budget.seconds),
        known: try known.map { try StudyDescription($0).optimizer }, monitor)
      let choice = search.chosen
      if choice.reason != nil { monitor.tell(Event.optimizer(choice)) }
      if let free = place {
        let baselines = try Self.baselines(search, monitor)
        let work = clock?.finished
        if let work { monitor.tell(WorkDone(record: work)) }
        let description = try StudyDescription(
          settings: settings, model: ModelSummary(name: model.name, fingerprint: fingerprint, model.configuration),
          dense: evaluator.dense,
          baselines: baselines, damping: damping, calibration: calibration.summary,
          fitness: FitnessSummary(
            source: try settings.plan.sources().map(\.name).joined(separator: ", "), windows: calibration.fitness.count,
            windowLength: calibration.fitness.length, tokens: calibration.fitness.tokens.count),
          targetParameters: settings.target?.blockParameters(of: model.configuration),
          keep: [space.keep.lowerBound, space.keep.upperBound], toolVersion: toolVersion, optimizer: choice,
          work: work)
        study = try Study.create(
          in: free, name: name, directions: objectives.directions,
          metricNames: objectives.names, model: identity, space: bound.design,
          attributes: description.attributes(),
          files: [CalibrationFile.name: calibration.data(), StudyDescription.configurationFile: settings.json()])
        place = nil
      } else if let known {
        study = known
      } else {
        throw PipelineError.noStudy(path: "\(address)")
      }
      self.optimizer = choice.name
      self.evaluator = evaluator
      population = search.population
      rungs = FidelityRungs(windows: calibration.fitness.count, count: settings.rungs)
      runner = try StudyRunner(study, search.optimizer)
      failures = FailureRule(generation: settings.population, hasResults: !runner.optimizer.evaluated.isEmpty)
    } catch {
      place?.abandon()
      throw error
    }
    convergence = Convergence(description: try StudyDescription(study))
    let study = study
    let earlier = try study.trials().compactMap { try TrialDescription($0, of: study) }
    earlierSeconds = earlier.reduce(0) { $0 + $1.seconds }
    for record in earlier.compactMap(\.windows) { rungs.learn(record) }
    if runner.evaluations > 0 { monitor.tell(Event.resumed(evaluations: runner.evaluations)) }
  }

  /// The study, opened to go on with it; `nil` where there is none yet.
  ///
  /// - Throws: `StudyError.otherModel`, `PipelineError.settingsDiffer`, and what is wrong with the database.
  private static func stored(
    _ settings: SearchSettings, _ address: StudyAddress, _ model: ModelIdentity, _ space: DesignSpace
  ) throws -> Study? {
    guard try address.exists() else { return nil }
    let study = try address.open(access: .resume, model: model)
    // Compared before the space is, because they say in the user's words what is different.
    if let difference = try StudyDescription(study).settings.difference(to: settings) {
      throw PipelineError.settingsDiffer(study: "\(address)", difference: difference)
    }
    try study.check(space)
    return study
  }

  /// Holds the place of a new study, after it has shown that it takes one.
  private static func place(
    _ address: StudyAddress, name: String, _ settings: SearchSettings, _ model: LanguageModel
  ) throws -> StudyPlace {
    if let folder = address.folder {
      if FileManager.default.fileExists(atPath: folder.path) {
        try Destination(folder.appendingPathComponent(Study.fileName), .file).keepApart(from: model.location)
      }
      // A lock tells of a search that was killed before its study was whole.
      for name in [CalibrationFile.name, StudyDescription.configurationFile]
      where FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path)
        && !FileManager.default.fileExists(atPath: folder.appendingPathComponent(StudyPlace.lockName).path)
      {
        throw PipelineError.damaged(
          path: folder.appendingPathComponent(name).path,
          problem: "there is a file of this name, but no study; choose another --study")
      }
    }
    return try StudyPlace(
      at: address.location, name: name, attributes: ["settings": try JSONText.encode(settings)])
  }

  /// Evaluates candidates until the budget is spent, the space is exhausted, or the monitor is cancelled.
  ///
  /// - Parameter sharing: how workers take part, this process among them; `nil` to evaluate alone.
  /// - Returns: whether the search is complete, as far as the budget goes.
  public func run(
    _ budget: SearchBudget, sharing: StudySharing? = nil, monitor: Monitor
  ) throws -> Bool {
    let start = Date()
    let before = runner.evaluations
    var generation = -1
    try study.setAttributes(StudyDescription.runAttributes(budget, isComplete: false))
    while true {
      let elapsed = earlierSeconds + Date().timeIntervalSince(start)
      if let limit = budget.evaluations, runner.evaluations >= limit { break }
      if let seconds = budget.seconds, elapsed >= seconds { break }
      if monitor.isCancelled { return false }
      // A generation together: what its candidates have in common is computed once, and with rungs they compete.
      var limit = settings.population
      if let most = budget.evaluations { limit = min(limit, most - runner.evaluations) }
      if let seconds = budget.seconds {
        // No more than there is time for, as far as is known.
        let each = elapsed / Double(max(1, runner.evaluations))
        limit = runner.evaluations == 0 ? 1 : max(1, Int(min(Double(limit), (seconds - elapsed) / max(each, 1e-3))))
      }
      do {
        let more =
          try sharing.map { try share(limit, $0, monitor) }
          ?? evaluate(limit, monitor)
        if !more { break }
      } catch is CancellationError {
        try study.releaseInterrupted()
        return false
      }
      let done = runner.evaluations
      let front = runner.optimizer.front
      let value = convergence.state(
        of: runner.optimizer.evaluated.map { ($0.objectives, evaluator.bound.cost.cost($0.candidate.genome)) })
      let now = Date().timeIntervalSince(start)
      let next = runner.optimizer.generation
      monitor.tell(
        Event.progress(
          SearchProgress(
            evaluationsDone: done, budget: budget, elapsedSeconds: earlierSeconds + now,
            secondsPerEvaluation: now / Double(max(1, done - before)),
            valueName: objectives.first.title, bestValue: value.best, hypervolume: value.hypervolume),
          generation: next == generation ? nil : next, front: front.count))
      generation = next
    }
    try failures.end()
    try study.setAttributes(StudyDescription.runAttributes(budget, isComplete: true))
    try study.setAttributes(StudyDescription.peakAttribute(of: study))
    return true
  }

  /// Evaluates the next candidates.
  ///
  /// - Returns: whether there were any.
  private func evaluate(_ limit: Int, _ monitor: Monitor) throws -> Bool {
    let batch = try runner.next(limit: limit)
    if batch.isEmpty { return false }
    let begun = Date()
    let genes = batch.map { evaluator.bound.genes($0.genome) }
    let front = runner.optimizer.front.map(\.objectives)
    let evaluation = monitor.during(.init(.candidates))
    let measured = try CandidateFailure.caught(genes, isFatal: TrialWorker.hitsEveryCandidate) { genes in
      try evaluator.measure(genes, rungs: rungs, monitor: evaluation) { [objectives] in
        FidelityLadder.climbers($0.map(objectives.minimized), front: front)
      }
    }
    let seconds = Date().timeIntervalSince(begun) / Double(batch.count)
    let results: [StudyRunner<AnyOptimizer>.Result] = try batch.indices.map { place in
      let found: (measurement: SubnetMeasurement, record: WindowRecord)
      switch measured[place] {
      case .failure(let failure): return .init(candidate: batch[place], failure: failure.reason)
      case .success(let value): found = value
      }
      let description = TrialDescription(
        found.measurement, genes[place], seconds: seconds, windows: found.record,
        predicted: population.predict(genes[place]))
      return .init(
        candidate: batch[place], values: objectives.values(found.measurement),
        attributes: try description.attributes())
    }
    let reasons = try runner.complete(results)
    for case .success(let found) in measured { rungs.learn(found.record) }
    try failures.note(reasons)
    return true
  }

  /// Hands the next candidates out to workers, evaluates a portion of what waits, and takes in what was found.
  ///
  /// - Returns: whether anything is left to do.
  private func share(_ limit: Int, _ sharing: StudySharing, _ monitor: Monitor) throws -> Bool {
    let new = try runner.enqueue(limit: limit - runner.outstanding) { [evaluator, population] in
      try TrialDescription.predicted(population.predict(evaluator.bound.genes($0.genome)))
    }
    if new.isEmpty && runner.outstanding == 0 { return false }
    let worker = TrialWorker(
      study: study, evaluator: evaluator, settings: settings, optimizer: optimizer, objectives: objectives,
      sharing: sharing)
    var evaluated = 0
    if sharing.evaluates { evaluated = try worker.work(monitor).count } else { try worker.expire() }
    let ended = try runner.collect()
    try failures.note(ended.map { $0.state == .failed ? $0.failure ?? "unknown" : nil })
    if evaluated == 0 && ended.isEmpty { Thread.sleep(forTimeInterval: sharing.pause) }
    return true
  }

  public func close() throws { try study.close() }
}
