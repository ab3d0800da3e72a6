import Foundation
import Search

@testable import Studies

/// A directory that is gone when the test is over.
final class Scratch {
  let url: URL

  init() {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("studies-\(UUID().uuidString)")
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
  }

  /// Runs SQL on the study's database behind the study's back.
  func execute(_ sql: String) throws {
    try SQLiteConnection(path: url.appendingPathComponent(Study.fileName).path).run(sql)
  }

  /// The names of the files in the directory, `nil` if there is no directory.
  var files: [String]? {
    (try? FileManager.default.contentsOfDirectory(atPath: url.path))?.sorted()
  }
}

/// Six layers of two widths and one choice, with a loss that wants them unequal.
enum Toy {
  static let model = ModelIdentity(name: "toy", fingerprint: "0123abcd")

  static func space() throws -> BudgetedSpace {
    var variables = [try Variable(name: "score", domain: .categorical(["wanda", "bip"]), segment: -1)]
    for layer in 0..<6 {
      variables.append(
        try Variable(name: "layers.\(layer).attention", domain: .integer(low: 0, high: 4, step: 1), segment: layer))
      variables.append(
        try Variable(name: "layers.\(layer).mlp", domain: .integer(low: 32, high: 512, step: 32), segment: layer))
    }
    let weights = variables.map { $0.isCategorical ? 0 : $0.step == 1 ? 1000 : 17 }
    return try BudgetedSpace(DesignSpace(variables), cost: LinearCost(base: 100, weights: weights))
  }

  static func optimizer(seed: UInt64 = 1) throws -> NSGA2 {
    let space = try space()
    let uniform = space.space.variables.map { $0.isCategorical ? 0 : $0.nearest(to: $0.highest / 2) }
    return try NSGA2(space, objectives: 2, seed: seed, initial: [(uniform, "uniform")])
  }

  static func create(at directory: URL, directions: [Direction] = [.minimize, .minimize]) throws -> Study {
    try create(at: .folder(directory), directions: directions)
  }

  static func create(
    at location: StudyLocation, name: String = "toy", directions: [Direction] = [.minimize, .minimize]
  ) throws -> Study {
    try Study.create(
      at: location, name: name, directions: directions, metricNames: ["loss", "parameters"], model: model,
      space: space().space, attributes: ["seed": "1"])
  }

  static func objectives(_ genome: Genome) throws -> [Double] {
    let cost = try space().cost.cost(genome)
    let loss = genome.enumerated().reduce(0.0) { $0 + pow(1 - Double($1.1) / 600, 2) * Double($1.0 % 5 + 1) }
    return [loss, Double(cost)]
  }

  /// Every eleventh candidate fails; the others get their objectives.
  static func evaluate(_ candidate: Candidate, with runner: inout StudyRunner) throws {
    if candidate.ordinal % 11 == 7 {
      try runner.fail(candidate, reason: "unlucky")
    } else {
      try runner.complete(
        candidate, values: objectives(candidate.genome), attributes: ["seconds": "0.5"])
    }
  }

  static func run(_ runner: inout StudyRunner, until count: Int, batch: Int = 5) throws {
    while runner.evaluations < count {
      let candidates = try runner.next(limit: min(batch, count - runner.evaluations))
      if candidates.isEmpty { return }
      for candidate in candidates { try evaluate(candidate, with: &runner) }
    }
  }
}
