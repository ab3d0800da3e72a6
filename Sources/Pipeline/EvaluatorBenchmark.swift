import Evaluation
import Foundation
import LanguageModels
import Reformation
import Search
import Subnets

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
  /// Bytes for factorised layers, solved weights and residual streams.
  public let memoryLimit: Int
  public let rows: [Row]
  /// Share of half layers that were not run, because another candidate had run them.
  public let shared: Double

  /// Evaluates the last candidates of a study one by one with the repair made anew, as published systems do; one by one
  /// with factorisations kept; layer by layer without and with shared prefixes.
  ///
  /// - Parameter windows: how many of the study's fitness windows, as on its rungs; `nil` for all.
  /// - Throws: `PipelineError`, and what is wrong with the study.
  public init(
    _ directory: URL, model: String?, candidates count: Int, windows: Int?, memoryLimit: Int?, cache: URL,
    isStopped: @escaping () -> Bool, report: @escaping (SearchSession.Event) -> Void
  ) throws {
    let opened = try OpenedStudy(directory, model: model, cache: cache, report: report)
    let trials = try opened.study.trials().suffix(count)
    guard !trials.isEmpty else { throw PipelineError.noPoint(wanted: "to evaluate", available: "no trials") }
    let genes = trials.map { opened.bound.genes($0.genome) }
    let memory = memoryLimit ?? Int(ProcessInfo.processInfo.physicalMemory / 2)
    let evaluator = try opened.evaluator(memoryLimit: memory, windows: windows)
    // A search ranks once, before anything is evaluated.
    report(.preparing("rankings", done: 0, total: 1))
    for choice in Set(genes.map { SubnetFactory<LanguageModel>.Choice(score: $0.score, calibration: $0.calibration) }) {
      try evaluator.repaired.rank(choice)
    }
    var work = SharedWork()
    func check() throws { if isStopped() { throw CancellationError() } }
    let ways: [(String, () throws -> [Double])] = [
      (
        "one by one, from scratch",
        {
          try genes.map {
            try check()
            evaluator.repaired.forget()
            return try evaluator.measure($0).kl
          }
        }
      ),
      (
        "one by one, factorisations kept",
        {
          try genes.map {
            try check()
            return try evaluator.measure($0).kl
          }
        }
      ),
      (
        "layer by layer",
        { try evaluator.compare(genes, sharing: false, checkpoint: check).comparisons.map(\.divergence) }
      ),
      (
        "layer by layer, shared prefixes",
        {
          let found = try evaluator.compare(genes, checkpoint: check)
          work = found.work
          return found.comparisons.map(\.divergence)
        }
      ),
    ]
    var rows: [Row] = []
    var first: [Double] = []
    for (number, (way, run)) in ways.enumerated() {
      report(.preparing(way, done: number, total: ways.count))
      evaluator.repaired.forget()
      let start = ContinuousClock.now
      let values = try run()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if first.isEmpty { first = values }
      let differences = zip(values, first).map { abs($0.0 - $0.1) / max($0.1, 1e-9) }
      rows.append(
        Row(
          way: way, seconds: seconds, evaluationsPerSecond: Double(genes.count) / seconds,
          ratio: (rows.first?.seconds ?? seconds) / seconds, largestDifference: differences.max() ?? 0))
    }
    candidates = genes.count
    self.windows = evaluator.reference.windows.count
    tokens = evaluator.reference.windows.tokens.count
    self.memoryLimit = memory
    self.rows = rows
    shared = work.asked > 0 ? 1 - Double(work.done) / Double(work.asked) : 0
  }

  /// A line for each way.
  public var lines: [String] {
    rows.map { row in
      row.way.padding(toLength: 34, withPad: " ", startingAt: 0)
        + String(
          format: "%8.1f s  %6.3f evaluations/s  %6.2f ×  largest difference %.1e", row.seconds,
          row.evaluationsPerSecond, row.ratio, row.largestDifference)
    } + [
      String(
        format: "%d candidates on %d windows (%d tokens), memory limit %d MiB; %.1f %% of half layers shared",
        candidates,
        windows, tokens, memoryLimit >> 20, 100 * shared)
    ]
  }
}
