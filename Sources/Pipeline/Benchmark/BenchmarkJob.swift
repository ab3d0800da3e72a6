import LinearAlgebra
import Runtime
import Studies
import Subnets
import Workbench

/// Candidates of a study on which the evaluator is to be timed.
public struct BenchmarkRequest: Codable, Equatable, Sendable {
  /// Address of the study.
  public var study: String
  /// The parent, if it is no longer at the place that the study remembers.
  public var model: String?
  /// Number of candidates, the last of the study.
  public var candidates = 64
  /// Number of fitness windows to measure on, the first of the study; `nil` for all.
  public var windows: Int?
  /// Numbers of windows on which the candidates compete, as in a search with `--rungs`.
  public var rungs = 1

  public static let standard = BenchmarkRequest(study: "")

  public init(study: String) { self.study = study }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require((1...100_000).contains(candidates), "--candidates must be between 1 and 100000")
    try PipelineError.require(windows ?? 1 >= 1, "--windows must be at least 1")
    try PipelineError.require((1...10).contains(rungs), "--rungs must be between 1 and 10")
  }
}

/// Candidates of a study that are to be timed, and the trials before them.
struct BenchmarkCandidates {
  let opened: OpenedStudy
  let genes: [BoundSpace.Genes]
  let earlier: ArraySlice<StoredTrial>
}

/// Times the evaluator on the last candidates of a study.
public struct BenchmarkJob {
  private let request: BenchmarkRequest
  private let context: JobContext

  public init(_ request: BenchmarkRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  func prepare(_ monitor: Monitor) throws -> BenchmarkCandidates {
    try request.validate()
    let opened = try OpenedStudy(request.study, model: request.model, in: context, monitor)
    let all = try opened.study.trials()
    let trials = all.suffix(request.candidates)
    guard !trials.isEmpty else { throw PipelineError.noPoint(wanted: "to evaluate", available: "no trials") }
    return BenchmarkCandidates(
      opened: opened, genes: trials.map { opened.bound.genes($0.genome) }, earlier: all.dropLast(trials.count))
  }

  /// Evaluates the candidates one by one with the repair made anew, as published systems do; one by one with factorisations
  /// kept; layer by layer without and with shared prefixes.
  ///
  /// With rungs the candidates compete as in a search. One by one, a candidate that climbs is evaluated on all windows of its new
  /// rung; layer by layer, on those that it has not seen.
  public func run(_ monitor: Monitor = .silent) throws -> EvaluatorBenchmark {
    let candidates = try prepare(monitor)
    let subject = BenchmarkSubject(
      candidates, try candidates.opened.evaluator(windows: request.windows), rungs: request.rungs, monitor)
    if request.rungs > 1 { try subject.learn(candidates.earlier, of: candidates.opened) }
    try subject.prepare()
    let ways = [
      ("one by one, from scratch", subject.single(scratch: true)),
      ("one by one, factorisations kept", subject.single(scratch: false)),
      ("layer by layer", subject.layers(sharing: false)),
      ("layer by layer, shared prefixes", subject.layers(sharing: true)),
    ]
    var rows: [EvaluatorBenchmark.Row] = []
    var first: [Double] = []
    for (number, (way, step)) in ways.enumerated() {
      try monitor.advance(.init(.timing, of: way), number, of: ways.count)
      let start = ContinuousClock.now
      let values = try subject.divergences(step)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if first.isEmpty { first = values }
      let differences = zip(values, first).map { abs($0.0 - $0.1) / max($0.1, 1e-9) }
      rows.append(
        .init(
          way: way, seconds: seconds, evaluationsPerSecond: Double(values.count) / seconds,
          ratio: (rows.first?.seconds ?? seconds) / seconds, largestDifference: differences.max() ?? 0))
    }
    let (fitness, work) = (subject.evaluator.reference.windows, subject.work)
    return EvaluatorBenchmark(
      candidates: subject.genes.count, windows: fitness.count, tokens: fitness.tokens.count,
      rungs: subject.rungs.isTrusted ? subject.rungs.ladder.rungs : [fitness.count],
      memoryLimit: context.memory.limit, rows: rows,
      shared: work.asked > 0 ? 1 - Double(work.done) / Double(work.asked) : 0)
  }

  /// Evaluates the candidates layer by layer, in single precision and in bfloat16.
  public func comparePrecisions(_ monitor: Monitor = .silent) throws -> PrecisionBenchmark {
    try PipelineError.require(
      Precision.bfloat16.isSupported, "this processor has no products in bf16 (AVX-512 with bfloat16)")
    let candidates = try prepare(monitor)
    let genes = candidates.genes
    var rows: [PrecisionBenchmark.Row] = []
    var (windows, tokens) = (0, 0)
    for (number, precision) in [Precision.single, .bfloat16].enumerated() {
      let evaluator = try candidates.opened.evaluator(windows: request.windows, precision: precision)
      (windows, tokens) = (evaluator.reference.windows.count, evaluator.reference.windows.tokens.count)
      for choice in Set(genes.map(\.choice)) { try evaluator.repaired.rank(choice) }
      try monitor.advance(.init(.timing, of: precision.rawValue), number, of: 2)
      let start = ContinuousClock.now
      let found = try evaluator.compare(genes, monitor: monitor.during(.init(.timing)))
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      rows.append(
        .init(
          precision: precision.rawValue, seconds: seconds, evaluationsPerSecond: Double(genes.count) / seconds,
          divergences: found.comparisons.map(\.divergence)))
    }
    return PrecisionBenchmark(rows, windows: windows, tokens: tokens)
  }
}
