import Foundation
import Search

/// A synthetic problem of two minimised objectives whose front is known.
struct Problem: Sendable {
  let name: String
  let space: BudgetedSpace
  let objectives: @Sendable (Genome) -> [Double]
  /// The objective that is the cost of the genome.
  let costObjective: Int?
  /// The worst corner of the hypervolume.
  let reference: [Double]
  /// The hypervolume of the true front, on the grid.
  let bestHypervolume: Double

  static let names = ["zdt1", "zdt2", "zdt3", "dtlz2", "widths", "recorded"]

  init?(_ name: String) throws {
    switch name {
    case "zdt1": try self.init(name, zdt: { f, g in g * (1 - (f / g).squareRoot()) })
    case "zdt2": try self.init(name, zdt: { f, g in g * (1 - (f / g) * (f / g)) })
    case "zdt3": try self.init(name, zdt: { f, g in g * (1 - (f / g).squareRoot() - f / g * sin(10 * .pi * f)) })
    case "dtlz2": try self.init(dtlz2: name)
    case "widths": try self.init(widths: name)
    case "recorded": try self.init(recorded: name)
    default: return nil
    }
  }

  init(
    _ name: String, _ space: BudgetedSpace, costObjective: Int? = nil, reference: [Double], front: [[Double]],
    _ objectives: @escaping @Sendable (Genome) -> [Double]
  ) throws {
    self.name = name
    self.space = space
    self.objectives = objectives
    self.costObjective = costObjective
    self.reference = reference
    bestHypervolume = try ParetoFront.hypervolume(front, reference: reference)
  }

  // MARK: - Problems of the literature, on grids

  private static let top = 50

  private static func grid(_ variables: Int) throws -> BudgetedSpace {
    let space = try DesignSpace(
      (0..<variables).map {
        try Variable(name: "x\($0)", domain: .integer(low: 0, high: top, step: 1), segment: $0)
      })
    return try BudgetedSpace(space, cost: LinearCost.free(space))
  }

  /// Zitzler, Deb and Thiele, "Comparison of Multiobjective Evolutionary Algorithms: Empirical Results", 2000: 20 integers
  /// of 0…50, `f1 = x₀/50`, `g = 1 + 9·mean(x₁…)/50`. The front is where `g` is 1.
  private init(_ name: String, zdt second: @escaping @Sendable (_ f: Double, _ g: Double) -> Double) throws {
    let objectives: @Sendable (Genome) -> [Double] = { genome in
      let g = 1 + 9 * Double(genome.dropFirst().reduce(0, +)) / Double(Self.top * (genome.count - 1))
      let f = Double(genome[0]) / Double(Self.top)
      return [f, second(f, g)]
    }
    let front = (0...Self.top).map { objectives([$0] + Array(repeating: 0, count: 19)) }
    try self.init(name, Self.grid(20), reference: [1.1, 4], front: front, objectives)
  }

  /// Deb, Thiele, Laumanns and Zitzler, "Scalable Test Problems for Evolutionary Multiobjective Optimization", 2002: 12
  /// integers of 0…50, `g = Σ (x_i/50 − ½)²` over all but the first. The front is the quarter circle where `g` is 0.
  private init(dtlz2 name: String) throws {
    let objectives: @Sendable (Genome) -> [Double] = { genome in
      let x = genome.map { Double($0) / Double(Self.top) }
      let g = x.dropFirst().reduce(0) { $0 + ($1 - 0.5) * ($1 - 0.5) }
      return [(1 + g) * cos(x[0] * .pi / 2), (1 + g) * sin(x[0] * .pi / 2)]
    }
    let front = (0...Self.top).map { objectives([$0] + Array(repeating: Self.top / 2, count: 11)) }
    try self.init(name, Self.grid(12), reference: [1.5, 1.5], front: front, objectives)
  }
}
