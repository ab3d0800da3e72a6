import Evaluation
import Runtime
import Search
import Studies
import Subnets
import Workbench

/// How fast the evaluator is on candidates of a study, in one run, at equal results.
public struct EvaluatorBenchmark: Codable, Sendable {
  public struct Row: Codable, Sendable {
    /// How the candidates were evaluated.
    public let way: String
    public let seconds: Double
    public let evaluationsPerSecond: Double
    /// As a multiple of the first row's rate.
    public let ratio: Double
    /// Largest relative difference of a divergence from the first row's.
    public let largestDifference: Double
  }

  public let candidates: Int
  /// Fitness windows that they were measured on, and tokens in them together.
  public let windows: Int
  public let tokens: Int
  /// Windows of each rung; the last holds all.
  public let rungs: [Int]
  /// Bytes for factorised layers, solved weights and residual streams.
  public let memoryLimit: Int
  public let rows: [Row]
  /// Share of half layers that were not run, because another candidate had run them.
  public let shared: Double
}

/// The candidates that are timed, and what judges them.
final class BenchmarkSubject {
  /// Compares candidates on a range of windows.
  typealias Step = ([CandidateEvaluator.Climber], Range<Int>) throws -> [Comparison]

  let genes: [BoundSpace.Genes]
  let evaluator: CandidateEvaluator
  private(set) var rungs: FidelityRungs
  /// What was run layer by layer with shared prefixes.
  private(set) var work = (asked: 0, done: 0)
  private let objectives: ObjectiveList
  private let monitor: Monitor
  /// Objectives of earlier trials that no other dominates.
  private var front: [[Double]] = []
  /// On fewer windows than the evaluator's own, by their number.
  private var references: [Int: DenseReference] = [:]

  init(_ candidates: BenchmarkCandidates, _ evaluator: CandidateEvaluator, rungs: Int, _ monitor: Monitor) {
    (genes, objectives) = (candidates.genes, candidates.opened.description.objectives)
    (self.evaluator, self.monitor) = (evaluator, monitor)
    self.rungs = FidelityRungs(windows: evaluator.reference.windows.count, count: rungs)
  }

  /// Makes the dense references of the rungs, and ranks.
  func prepare() throws {
    let reference = evaluator.reference
    for count in rungs.ladder.rungs.dropLast() {
      references[count] = try DenseReference(
        evaluator.model, windows: reference.windows.windows(0..<count), precision: reference.precision)
    }
    // A search ranks once, before anything is evaluated.
    try monitor.advance(.init(.ranking), 0, of: 1)
    for choice in Set(genes.map(\.choice)) { try evaluator.repaired.rank(choice) }
  }

  /// Lets the rungs learn of earlier trials, and keeps their front.
  func learn(_ trials: ArraySlice<StoredTrial>, of opened: OpenedStudy) throws {
    var earlier: [[Double]] = []
    for trial in trials {
      guard let description = try TrialDescription(trial, of: opened.study), let record = description.windows,
        record.divergences.count >= evaluator.reference.windows.count
      else { continue }
      let seen = record.prefix(evaluator.reference.windows.count)
      rungs.learn(seen)
      let (divergence, loss) = rungs.estimate(seen)
      let quality = Quality(
        divergence: divergence, loss: loss, topOneAgreement: description.measurement[.topOne] ?? .nan)
      earlier.append(objectives.minimized(evaluator.measurement(of: opened.bound.genes(trial.genome), quality)))
    }
    try PipelineError.require(
      rungs.isTrusted,
      "--rungs needs \(FidelityRungs.fewest) earlier trials that were measured on all windows, but the study has "
        + "\(rungs.references)")
    front = ParetoFront.nonDominated(earlier).map { earlier[$0] }
  }

  /// Divergences of all candidates, with nothing factorised before.
  func divergences(_ step: Step) throws -> [Double] {
    evaluator.repaired.forget()
    return try evaluator.climb(genes, rungs: rungs) {
      FidelityLadder.climbers($0.map(objectives.minimized), front: front)
    } compare: {
      try step($0, $1)
    }.map { $0.measurement[.kl] ?? .nan }
  }

  func single(scratch: Bool) -> Step {
    { [self] alive, windows in
      try alive.map { candidate, _ in
        try monitor.checkCancelled()
        if scratch { evaluator.repaired.forget() }
        let reference = references[windows.upperBound] ?? evaluator.reference
        return try reference.compare(evaluator.subnet(candidate))
      }
    }
  }

  func layers(sharing: Bool) -> Step {
    { [self] alive, windows in
      let found = try evaluator.compare(
        alive.map(\.genes), windows: windows, sharing: sharing, monitor: monitor.during(.init(.timing)))
      if sharing {
        work.asked += found.work.asked
        work.done += found.work.done
      }
      return zip(alive, found.comparisons).map { $0.earlier?.joined($1) ?? $1 }
    }
  }
}
