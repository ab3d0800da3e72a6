import Foundation
import LinearAlgebra
import Search

/// What `--check` prints: genomes with their objectives, and what hypervolumes are measured with.
struct Check: Codable {
  let problem: String
  let genomes: [Genome]
  let objectives: [[Double]]
  let reference: [Double]
  let bestHypervolume: Double
}

let usage = """
  optimizer-benchmark --problem P --optimizer O [--evaluations 300] [--seeds 20] [--first-seed 1]
  optimizer-benchmark --problem P --check 100

  problems: \(Problem.names.joined(separator: ", "))
  optimizers: \(Benchmark.optimizers.joined(separator: ", "))
  """

func option(_ name: String) -> String? {
  let arguments = CommandLine.arguments
  guard let place = arguments.firstIndex(of: "--" + name), place + 1 < arguments.count else { return nil }
  return arguments[place + 1]
}

func number(_ name: String, default fallback: Int) throws -> Int {
  guard let text = option(name) else { return fallback }
  guard let value = Int(text), value > 0 else { throw BenchmarkError.usage("--\(name) \(text) is no positive number") }
  return value
}

func run() throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .sortedKeys
  guard let name = option("problem") else { throw BenchmarkError.usage(usage) }
  guard let problem = try Problem(name) else { throw BenchmarkError.unknown("problem", name, Problem.names) }
  if option("check") != nil {
    var generator = SeededGenerator(seed: 1)
    let genomes = try (0..<number("check", default: 100)).map { _ in
      try problem.space.fit(
        problem.space.space.variables.map { $0.lowest + generator.integer(below: $0.levels) * $0.step },
        to: generator.integer(in: problem.space.allowed), using: &generator)
    }
    return try encoder.encode(
      Check(
        problem: name, genomes: genomes, objectives: genomes.map(problem.objectives), reference: problem.reference,
        bestHypervolume: problem.bestHypervolume))
  }
  let benchmark = Benchmark(
    problem: problem, optimizer: option("optimizer") ?? "bayesian",
    evaluations: try number("evaluations", default: 300))
  let first = try number("first-seed", default: 1)
  let seeds = (first..<first + (try number("seeds", default: 20))).map { UInt64($0) }
  return try encoder.encode(benchmark.run(seeds: seeds))
}

do {
  FileHandle.standardOutput.write(try run() + Data("\n".utf8))
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(1)
}
