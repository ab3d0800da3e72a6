import LinearAlgebra
import Search

/// Spaces and objective functions that several tests share.
enum Spaces {
  /// Widths as in a small transformer: per layer 0…3 attention groups and 32…1536 channels, plus one choice of three.
  static func layers(_ count: Int, free: Bool = false) throws -> (DesignSpace, LinearCost) {
    var variables: [Variable] = []
    var weights: [Int] = []
    for layer in 0..<count {
      variables.append(
        try Variable(
          name: "layers.\(layer).attention", domain: .integer(low: layer == 0 ? 1 : 0, high: 3, step: 1),
          segment: layer, module: "attention"))
      variables.append(
        try Variable(
          name: "layers.\(layer).mlp", domain: .integer(low: 32, high: 1536, step: 32), segment: layer, module: "mlp"))
      weights += [294_912, 1728]
    }
    variables.append(
      try Variable(name: "score", domain: .categorical(["a", "b", "c"]), segment: -1, module: "score"))
    weights.append(0)
    return (try DesignSpace(variables), LinearCost(base: 1000, weights: weights))
  }

  /// A random space of one to eight variables with awkward steps, and a cost for it.
  static func random(using generator: inout SeededGenerator) throws -> (DesignSpace, LinearCost) {
    var variables: [Variable] = []
    var weights: [Int] = []
    for index in 0..<generator.integer(in: 1...8) {
      if generator.chance(0.2) {
        let choices = (0...generator.integer(below: 4)).map { "choice \($0)" }
        variables.append(try Variable(name: "v\(index)", domain: .categorical(choices)))
        weights.append(0)
      } else {
        let low = generator.integer(in: -5...20)
        let high = low + generator.integer(below: 100)
        let step = generator.integer(in: 1...12)
        variables.append(
          try Variable(name: "v\(index)", domain: .integer(low: low, high: high, step: step), segment: index / 2))
        weights.append(generator.chance(0.15) ? 0 : generator.integer(in: 1...500))
      }
    }
    return (try DesignSpace(variables), LinearCost(base: generator.integer(in: -100...1000), weights: weights))
  }

  /// ZDT1 (Zitzler, Deb, Thiele 2000) on a grid: f1 = x₀, f2 = g·(1 − √(x₀/g)), g = 1 + 9·mean(x₁…). The front is g =
  /// 1.
  static func zdt1(_ genome: Genome, levels: Int) -> [Double] {
    let x = genome.map { Double($0) / Double(levels - 1) }
    let g = 1 + 9 * x.dropFirst().reduce(0, +) / Double(x.count - 1)
    return [x[0], g * (1 - (x[0] / g).squareRoot())]
  }

  static func zdt1Space(variables: Int, levels: Int) throws -> BudgetedSpace {
    let space = try DesignSpace(
      (0..<variables).map {
        try Variable(name: "x\($0)", domain: .integer(low: 0, high: levels - 1, step: 1), segment: $0)
      })
    return try BudgetedSpace(space, cost: LinearCost.free(space))
  }

  /// A separable loss of the widths of `layers`: each layer's damage falls with its widths, at its
  /// own rate.
  static func damage(_ genome: Genome) -> Double {
    var total = genome.last == 1 ? 0.9 : 1.0
    for layer in 0..<genome.count / 2 {
      let importance = 1 + Double(layer * 7 % 11)
      total += importance * Double(3 - genome[2 * layer]) * 0.3
      total += importance * (1 - Double(genome[2 * layer + 1]) / 1536) * (1 - Double(genome[2 * layer + 1]) / 1536)
    }
    return total
  }

  /// Asks and tells until `count` candidates are evaluated or none is left.
  static func run(
    _ optimizer: inout some Optimizer, count: Int, _ objectives: (Genome) -> [Double]
  ) throws -> [Candidate] {
    var asked: [Candidate] = []
    while asked.count < count, let candidate = try optimizer.ask() {
      asked.append(candidate)
      try optimizer.tell(candidate.ordinal, objectives: objectives(candidate.genome))
    }
    return asked
  }
}
