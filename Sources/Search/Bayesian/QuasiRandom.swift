import CNumerics
import LinearAlgebra

/// Points that fill a cube more evenly than random ones.
///
/// Sobol's sequence up to 40 dimensions, then Halton's with reversed digits (Vandewoestyne and Cools, "Good
/// permutations for deterministic scrambled Halton sequences", 2006) up to 1229, both from GSL. A shift drawn from the
/// seed and taken modulo 1 gives another sequence for every seed (Cranley and Patterson, "Randomization of Number
/// Theoretic Methods for Multiple Integration", 1976). Further dimensions are filled at random.
public struct QuasiRandom: Sendable {
  private static let sobolDimensions = 40
  private static let haltonDimensions = 1229

  public let dimensions: Int
  private let seed: UInt64
  private let shift: [Double]

  public init(dimensions: Int, seed: UInt64) {
    self.dimensions = dimensions
    self.seed = seed
    var generator = SeededGenerator(seed: seed, stream: .max)
    shift = (0..<dimensions).map { _ in generator.unit() }
  }

  /// Points `range` of the sequence, each value in `[0, 1)`. The time grows with the end of the range.
  public func points(_ range: Range<Int>) -> [[Double]] {
    let filled = min(dimensions, Self.haltonDimensions)
    let type = filled <= Self.sobolDimensions ? nas_sequence_sobol() : nas_sequence_halton()
    var values = Array(repeating: 0.0, count: filled)
    guard filled > 0, let sequence = gsl_qrng_alloc(type, UInt32(filled)) else { return range.map { _ in [] } }
    defer { gsl_qrng_free(sequence) }
    var points: [[Double]] = []
    for index in 0..<range.upperBound {
      gsl_qrng_get(sequence, &values)
      if index < range.lowerBound { continue }
      var generator = SeededGenerator(seed: seed, stream: UInt64(index))
      let rest = (filled..<dimensions).map { _ in generator.unit() }
      points.append(zip(values + rest, shift).map { ($0 + $1).truncatingRemainder(dividingBy: 1) })
    }
    return points
  }
}

extension BudgetedSpace {
  /// The genome at a point of the unit cube: the levels of a variable share its edge equally. One more coordinate is
  /// the cost to aim at, within the budget.
  func genome(at point: [Double], using generator: inout SeededGenerator) -> Genome {
    let genome = zip(space.variables, point).map { variable, value in
      variable.lowest + min(Int(value * Double(variable.levels)), variable.levels - 1) * variable.step
    }
    let share = budget.useWholeBudget ? 1 : point[space.variables.count]
    let target = Double(allowed.lowerBound) + share * Double(allowed.upperBound - allowed.lowerBound)
    return fitted(genome, to: Int(target), using: &generator)
  }

  /// The first genomes of a quasi-random sequence.
  func quasiRandomGenomes(_ count: Int, seed: UInt64) -> [Genome] {
    let sequence = QuasiRandom(dimensions: space.variables.count + 1, seed: seed)
    return sequence.points(0..<max(0, count)).enumerated().map { index, point in
      var generator = SeededGenerator(seed: seed, stream: UInt64(index))
      return genome(at: point, using: &generator)
    }
  }
}
