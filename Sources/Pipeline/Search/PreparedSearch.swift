import Foundation
import Reports
import Runtime
import Search
import Studies
import Subnets
import Workbench

/// A study that is ready for its next candidate.
struct PreparedSearch {
  let study: Study
  private let description: StudyDescription
  private let evaluator: CandidateEvaluator
  private let population: FirstPopulation
  /// This process as one of those that share the study; `nil` if it evaluates alone.
  private let worker: TrialWorker?
  private var runner: StudyRunner
  private var rungs: FidelityRungs
  private var failures: FailureRule
  /// Seconds that earlier runs spent on evaluations.
  private let earlierSeconds: Double

  /// - Parameter sharing: how workers take part, this process among them; `nil` to evaluate alone.
  init(_ study: Study, _ search: CandidateSearch, sharing: SharingRequest?) throws {
    self.study = study
    (evaluator, population) = (search.evaluator, search.population)
    description = try StudyDescription(study)
    worker = sharing.map { [description, evaluator] in
      TrialWorker(study: study, description: description, evaluator: evaluator, sharing: $0)
    }
    runner = try StudyRunner(study, search.optimizer)
    failures = FailureRule(
      generation: description.settings.population, hasResults: !runner.optimizer.evaluated.isEmpty)
    rungs = FidelityRungs(windows: evaluator.reference.windows.count, count: description.settings.rungs)
    let earlier = try study.trials().compactMap { try TrialDescription($0, of: study) }
    earlierSeconds = earlier.reduce(0) { $0 + $1.seconds }
    for record in earlier.compactMap(\.windows) { rungs.learn(record) }
  }

  /// Candidates that were evaluated so far.
  var evaluations: Int { runner.evaluations }

  /// Evaluates candidates until the budget is spent, the space is exhausted, or the monitor is cancelled.
  ///
  /// - Returns: whether the search is complete, as far as the budget goes.
  mutating func run(_ budget: SearchBudget, _ monitor: Monitor) throws -> Bool {
    let (start, before) = (Date(), evaluations)
    var generation = -1
    try study.setAttributes(StudyDescription.runAttributes(budget, isComplete: false))
    while let limit = limit(budget, elapsed: earlierSeconds + Date().timeIntervalSince(start)) {
      if monitor.isCancelled { return false }
      do {
        let more = try worker.map { try share(limit, $0, monitor) } ?? evaluate(limit, monitor)
        if !more { break }
      } catch is CancellationError {
        try study.releaseInterrupted()
        return false
      }
      var found = Convergence(description: description)
      for result in runner.optimizer.evaluated {
        found.learn(result.objectives, parameters: evaluator.bound.cost.cost(result.candidate.genome))
      }
      let now = Date().timeIntervalSince(start)
      let next = runner.optimizer.generation
      monitor.tell(
        SearchJob.Event.progress(
          SearchProgress(
            evaluationsDone: evaluations, budget: budget, elapsedSeconds: earlierSeconds + now,
            secondsPerEvaluation: now / Double(max(1, evaluations - before)),
            valueName: description.objectives.first.title, bestValue: found.bestValue, hypervolume: found.hypervolume),
          generation: next == generation ? nil : next, front: runner.optimizer.front.count))
      generation = next
    }
    try failures.end()
    try study.setAttributes(StudyDescription.runAttributes(budget, isComplete: true))
    try study.setAttributes(StudyDescription.peakAttribute(of: study))
    return true
  }

  /// How many candidates come next; `nil` if the budget is spent.
  ///
  /// A generation together: what its candidates have in common is computed once, and with rungs they compete.
  ///
  /// - Parameter elapsed: seconds of searching, earlier runs included.
  private func limit(_ budget: SearchBudget, elapsed: Double) -> Int? {
    var limit = description.settings.population
    if let most = budget.evaluations {
      if evaluations >= most { return nil }
      limit = min(limit, most - evaluations)
    }
    if let seconds = budget.seconds {
      if elapsed >= seconds { return nil }
      // No more than there is time for, as far as is known.
      let each = elapsed / Double(max(1, evaluations))
      limit = evaluations == 0 ? 1 : max(1, Int(min(Double(limit), (seconds - elapsed) / max(each, 1e-3))))
    }
    return limit
  }

  /// Evaluates the next candidates.
  ///
  /// - Returns: whether there were any.
  private mutating func evaluate(_ limit: Int, _ monitor: Monitor) throws -> Bool {
    let batch = try runner.next(limit: limit)
    if batch.isEmpty { return false }
    let genes = batch.map { evaluator.bound.genes($0.genome) }
    let front = runner.optimizer.front.map(\.objectives)
    let objectives = description.objectives
    let found = try evaluator.trials(
      genes, rungs: rungs, monitor: monitor.during(.init(.candidates)), predict: population.promise
    ) { FidelityLadder.climbers($0.map(objectives.minimized), front: front) }
    let results: [StudyRunner.Result] = try zip(batch, found).map { candidate, found in
      switch found {
      case .failure(let failure): .init(candidate: candidate, failure: failure.reason)
      case .success(let trial):
        .init(
          candidate: candidate, values: objectives.values(trial.measurement), attributes: try trial.attributes())
      }
    }
    let reasons = try runner.complete(results)
    for case .success(let trial) in found { trial.windows.map { rungs.learn($0) } }
    try failures.note(reasons)
    return true
  }

  /// Hands the next candidates out to workers, evaluates a portion of what waits, and takes in what was found.
  ///
  /// - Returns: whether anything is left to do.
  private mutating func share(_ limit: Int, _ worker: TrialWorker, _ monitor: Monitor) throws -> Bool {
    let new = try runner.enqueue(limit: limit - runner.outstanding) { [evaluator, population] in
      try TrialDescription.predicted(population.promise(evaluator.bound.genes($0.genome)))
    }
    if new.isEmpty && runner.outstanding == 0 { return false }
    var evaluated = 0
    if worker.sharing.evaluates { evaluated = try worker.work(monitor).count } else { try worker.expire() }
    let ended = try runner.collect()
    try failures.note(ended.map { $0.state == .failed ? $0.failure ?? "unknown" : nil })
    if evaluated == 0 && ended.isEmpty { Thread.sleep(forTimeInterval: TrialWorker.pause) }
    return true
  }
}

extension FirstPopulation {
  fileprivate func promise(_ genes: BoundSpace.Genes) -> TrialDescription.Promise { (predict(genes), sum(genes)) }
}
