import Foundation
import Search

extension Problem {
  /// Where `recorded` is read from, beside this file.
  private static let table = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "recorded.csv")

  /// Real evaluations of a space so small that all of its genomes were evaluated once (`recorded.yaml`): columns of genes,
  /// whole numbers for integers and words for choices, then KL divergence and block parameters.
  init(recorded name: String) throws {
    let lines = try String(contentsOf: Self.table, encoding: .utf8).split(separator: "\n").map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    guard let header = lines.first, header.count > 2, lines.count > 1 else {
      throw BenchmarkError.table(Self.table.path)
    }
    let genes = header.count - 2
    let variables = try (0..<genes).map { column in
      let values = lines.dropFirst().map { $0[column] }
      let levels = Set(values.compactMap { Int($0) }).sorted()
      guard let low = levels.first, let high = levels.last else {
        return try Variable(
          name: header[column], domain: .categorical(Set(values).sorted()), module: header[column])
      }
      let step = levels.count > 1 ? levels[1] - low : 1
      return try Variable(name: header[column], domain: .integer(low: low, high: high, step: step))
    }
    let design = try DesignSpace(variables)
    var results: [Genome: [Double]] = [:]
    for row in lines.dropFirst() {
      let genome = zip(variables, row).map { variable, word in
        guard case .categorical(let choices) = variable.domain else { return Int(word) ?? 0 }
        return choices.firstIndex(of: word) ?? 0
      }
      results[genome] = row.suffix(2).map { Double($0) ?? .nan }
    }
    guard results.count == design.size, results.values.joined().allSatisfy(\.isFinite) else {
      throw BenchmarkError.table(Self.table.path)
    }
    // The parameters are linear in the widths: two neighbours of the smallest genome tell what a unit costs.
    let least = Int(results[design.lowest]?[1] ?? 0)
    let weights = variables.enumerated().map { index, variable in
      var next = design.lowest
      next[index] += variable.step
      return variable.isCategorical ? 0 : (Int(results[next]?[1] ?? 0) - least) / variable.step
    }
    let base = least - zip(weights, design.lowest).reduce(0) { $0 + $1.0 * $1.1 }
    let space = try BudgetedSpace(design, cost: LinearCost(base: base, weights: weights))
    let points = Array(results.values)
    let front = ParetoFront.nonDominated(points).map { points[$0] }
    let middle = front.map { $0[0] }.sorted()[front.count / 2]
    let recorded = results
    try self.init(
      name, space, costObjective: 1, reference: [2 * middle, Double(space.allowed.upperBound)], front: front
    ) { recorded[$0] ?? [.infinity, .infinity] }
  }
}
