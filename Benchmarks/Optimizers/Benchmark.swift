import Foundation
import Search

/// One optimiser on one problem, several seeds.
struct Benchmark {
  static let optimizers = ["random", "quasi-random", "nsga2", "tree-parzen", "bayesian"]

  let problem: Problem
  let optimizer: String
  let evaluations: Int

  /// What is printed as JSON.
  struct Report: Codable {
    let problem: String
    let optimizer: String
    let evaluations: Int
    let seeds: [UInt64]
    /// By the number of evaluations: shares of the true front's hypervolume, one a seed.
    var hypervolume: [String: [Double]] = [:]
    /// Time in the optimiser alone, one a seed.
    var seconds: [Double] = []
  }

  /// Numbers of evaluations after which the front is measured.
  private var stops: [Int] { Set([50, 100, 200, 300, evaluations]).filter { $0 <= evaluations }.sorted() }

  func run(seeds: [UInt64]) throws -> Report {
    var report = Report(problem: problem.name, optimizer: optimizer, evaluations: evaluations, seeds: seeds)
    for seed in seeds {
      switch optimizer {
      case "random": try run(RandomSearch(problem.space, objectives: 2, seed: seed), &report)
      case "nsga2": try run(NSGA2(problem.space, objectives: 2, seed: seed), &report)
      case "quasi-random": try run(QuasiRandomSearch(problem.space, objectives: 2, seed: seed), &report)
      case "tree-parzen": try run(TreeParzenSearch(problem.space, objectives: 2, seed: seed), &report)
      case "bayesian":
        try run(
          BayesianSearch(
            problem.space, objectives: 2, seed: seed, cost: problem.costObjective.map { ($0, problem.space.cost) }),
          &report)
      default: throw BenchmarkError.unknown("optimizer", optimizer, Self.optimizers)
      }
    }
    return report
  }

  private func run(_ optimizer: some Optimizer, _ report: inout Report) throws {
    var optimizer = optimizer
    var seconds = 0.0
    for evaluation in 1...evaluations {
      let start = ContinuousClock.now
      guard let candidate = try optimizer.ask() else { break }
      try optimizer.tell(candidate.ordinal, objectives: problem.objectives(candidate.genome))
      seconds += (ContinuousClock.now - start) / .seconds(1)
      if stops.contains(evaluation) {
        let volume = try ParetoFront.hypervolume(optimizer.front.map(\.objectives), reference: problem.reference)
        report.hypervolume[String(evaluation), default: []].append(volume / problem.bestHypervolume)
      }
    }
    report.seconds.append(seconds)
  }
}

enum BenchmarkError: Error, CustomStringConvertible {
  case unknown(_ what: String, _ name: String, _ allowed: [String])
  case usage(String)
  case table(_ path: String)

  var description: String {
    switch self {
    case .unknown(let what, let name, let allowed): "no \(what) '\(name)'; there are \(allowed.joined(separator: ", "))"
    case .usage(let reason): reason
    case .table(let path): "\(path): not a table of all genomes, each with two finite objectives"
    }
  }
}
