import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Search
import Studies
import Subnets
import Workbench

/// Times the evaluator on candidates of a study, in one run, at equal results.
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

  /// Evaluates the last candidates of a study one by one with the repair made anew, as published systems do; one by one
  /// with factorisations kept; layer by layer without and with shared prefixes.
  ///
  /// With rungs the candidates compete as in a search. One by one, a candidate that climbs is evaluated on all windows of its new
  /// rung; layer by layer, on those that it has not seen.
  ///
  /// - Throws: `PipelineError`, and what is wrong with the study.
  public init(_ request: BenchmarkRequest, in context: JobContext, monitor: Monitor) throws {
    let (count, windows, rungCount) = (request.candidates, request.windows, request.rungs)
    let opened = try OpenedStudy(
      StudyAddress(request.study), model: request.model, cache: context.cache, memory: context.memory,
      monitor: monitor)
    let all = try opened.study.trials()
    let trials = all.suffix(count)
    guard !trials.isEmpty else { throw PipelineError.noPoint(wanted: "to evaluate", available: "no trials") }
    let genes = trials.map { opened.bound.genes($0.genome) }
    let evaluator = try opened.evaluator(windows: windows)
    let fitness = evaluator.reference.windows
    let objectives = opened.description.objectives
    var rungs = FidelityRungs(windows: fitness.count, count: rungCount)
    var earlier: [[Double]] = []
    if rungCount > 1 {
      for trial in all.dropLast(trials.count) {
        guard let description = try TrialDescription(trial, of: opened.study), let record = description.windows,
          record.divergences.count >= fitness.count
        else { continue }
        let seen = record.prefix(fitness.count)
        rungs.learn(seen)
        let (divergence, loss) = rungs.estimate(seen)
        let quality = Quality(
          divergence: divergence, loss: loss, topOneAgreement: description.measurement[.topOne] ?? .nan)
        let genes = opened.bound.genes(trial.genome)
        earlier.append(objectives.minimized(evaluator.measurement(of: genes, quality)))
      }
      guard rungs.isTrusted else {
        throw PipelineError.invalidOption(
          "--rungs needs \(FidelityRungs.fewest) earlier trials that were measured on all windows, but the study has "
            + "\(rungs.references)")
      }
    }
    let front = ParetoFront.nonDominated(earlier).map { earlier[$0] }
    var references: [Int: DenseReference] = [fitness.count: evaluator.reference]
    for count in rungs.ladder.rungs.dropLast() {
      references[count] = try DenseReference(
        opened.model, windows: fitness.windows(0..<count), precision: evaluator.reference.precision)
    }
    // A search ranks once, before anything is evaluated.
    try monitor.advance(.init(.ranking), 0, of: 1)
    for choice in Set(genes.map(\.choice)) {
      try evaluator.repaired.rank(choice)
    }
    var work = SharedWork()
    typealias Step = ([CandidateEvaluator.Climber], Range<Int>) throws -> [Comparison]
    func single(scratch: Bool) -> Step {
      { alive, windows in
        try alive.map { candidate, _ in
          try monitor.checkCancelled()
          if scratch { evaluator.repaired.forget() }
          let reference = references[windows.upperBound] ?? evaluator.reference
          return try reference.compare(evaluator.subnet(candidate))
        }
      }
    }
    func layers(_ streams: CandidateEvaluator.Streams) -> Step {
      { alive, windows in
        let found = try evaluator.compare(
          alive.map(\.genes), windows: windows, streams: streams, monitor: monitor.during(.init(.timing)))
        if streams == .shared {
          work.asked += found.work.asked
          work.done += found.work.done
        }
        return zip(alive, found.comparisons).map { $0.earlier?.joined($1) ?? $1 }
      }
    }
    let ways = [
      ("one by one, from scratch", single(scratch: true)),
      ("one by one, factorisations kept", single(scratch: false)),
      ("layer by layer", layers(.separate)),
      ("layer by layer, shared prefixes", layers(.shared)),
    ]
    var rows: [Row] = []
    var first: [Double] = []
    for (number, (way, step)) in ways.enumerated() {
      try monitor.advance(.init(.timing, of: way), number, of: ways.count)
      evaluator.repaired.forget()
      let start = ContinuousClock.now
      let values = try evaluator.climb(Array(genes), rungs: rungs) {
        FidelityLadder.climbers($0.map(objectives.minimized), front: front)
      } compare: {
        try step($0, $1)
      }.map { $0.measurement[.kl] ?? .nan }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if first.isEmpty { first = values }
      let differences = zip(values, first).map { abs($0.0 - $0.1) / max($0.1, 1e-9) }
      rows.append(
        Row(
          way: way, seconds: seconds, evaluationsPerSecond: Double(genes.count) / seconds,
          ratio: (rows.first?.seconds ?? seconds) / seconds, largestDifference: differences.max() ?? 0))
    }
    candidates = genes.count
    self.windows = fitness.count
    self.rungs = rungs.isTrusted ? rungs.ladder.rungs : [fitness.count]
    tokens = fitness.tokens.count
    memoryLimit = context.memory.limit
    self.rows = rows
    shared = work.asked > 0 ? 1 - Double(work.done) / Double(work.asked) : 0
  }
}
