import LanguageModels
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct QuadraticLossTests {
  /// Terms of modules that share a part of their noise.
  private func terms(
    modules: Int, widths: [Int], shared: Float, windows: Int = 40, seed: UInt64
  ) -> LossTerms {
    let length = 25
    var random = SeededGenerator(seed: seed)
    func uniform() -> Float { Float(2 * random.unit() - 1) }
    let common = (0..<windows * length).map { _ in uniform() }
    let made = (0..<modules).map { module in
      let sign: Float = module % 3 == 2 ? -1 : 1
      let matrix = Matrix<Float>(rows: windows * length, columns: widths.count)
      for i in 0..<matrix.rows {
        var sum: Float = 0
        for j in widths.indices.reversed() {
          sum += uniform() + sign * shared * common[i]
          matrix[i, j] = sum
        }
      }
      return matrix
    }
    return LossTerms(made, widths: Array(repeating: widths, count: modules), length: length)
  }

  private func curves(_ modules: Int, costs: [Int], seed: UInt64) -> [ModuleCurve] {
    var random = SeededGenerator(seed: seed)
    return (0..<modules).map { index in
      let gains = (0..<4).map { _ in random.unit() }.sorted(by: >)
      return ModuleCurve(
        widths: [1, 2, 3, 4, 5], errors: (0...4).map { gains.dropFirst($0).reduce(0, +) },
        costPerUnit: costs[index % costs.count])
    }
  }

  @Test func correlationsAreSymmetricAndPositiveTogether() throws {
    let found = LossCorrelations(terms(modules: 6, widths: [1, 2, 3, 4], shared: 0.8, seed: 1))
    #expect(found.matrix.widened().elements == found.matrix.widened().transposed().elements)
    #expect(found.reliability > 0.9 && found.reliability <= 1)
    var random = SeededGenerator(seed: 2)
    for _ in 0..<50 {
      let places = found.starts.dropLast().map { $0 + random.integer(below: 4) }
      let chosen = Matrix<Double>(rows: 6, columns: 6)
      for (i, a) in places.enumerated() {
        for (j, b) in places.enumerated() { chosen[i, j] = i == j ? 1 + 1e-9 : Double(found.matrix[a, b]) }
      }
      #expect(throws: Never.self) { try CholeskyFactor(factorising: chosen) }
    }
  }

  /// What modules have in common is seen in both halves of the windows, noise is not.
  @Test func noiseIsShrunk() {
    let independent = LossCorrelations(terms(modules: 10, widths: [1, 2, 3], shared: 0, seed: 3))
    #expect(independent.reliability < 0.2)
    // No second window agrees with the first.
    let single = LossCorrelations(terms(modules: 4, widths: [1, 2], shared: 1, windows: 1, seed: 4))
    #expect(single.reliability == 0 && single.matrix.elements.allSatisfy { $0 == 0 })
  }

  /// Against sums over tokens, at widths that are known and between them.
  @Test func valueIsTheSumOfErrorsAndOfWhatTheyHaveTogether() {
    let (terms, curves) = (
      terms(modules: 5, widths: [1, 3, 4], shared: 0.7, seed: 5), curves(5, costs: [3], seed: 6)
    )
    let correlations = LossCorrelations(terms)
    let loss = QuadraticLoss(curves, correlations)
    func correlation(_ a: (Int, Int), _ b: (Int, Int)) -> Double {
      func product(_ x: (Int, Int), _ y: (Int, Int)) -> Double {
        (0..<terms.modules[0].rows).reduce(0) {
          $0 + Double(terms.modules[x.0][$1, x.1]) * Double(terms.modules[y.0][$1, y.1])
        }
      }
      return correlations.reliability * product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    }
    // Width 2 lies between the first two, width 5 beyond the last.
    let shares = [[(0, 1.0)], [(0, 0.5), (1, 0.5)], [(1, 1.0)], [(2, 1.0)], [(2, 1.0)]]
    for levels in [[0, 1, 2, 3, 4], [1, 1, 1, 1, 1], [3, 0, 2, 1, 0], [4, 4, 4, 4, 4]] {
      var expected = 0.0
      for i in 0..<5 {
        expected += curves[i].errors[levels[i]]
        for j in 0..<5 where i != j {
          for a in shares[levels[i]] {
            for b in shares[levels[j]] {
              let both = curves[i].errors[levels[i]] * curves[j].errors[levels[j]]
              expected += a.1 * b.1 * both.squareRoot() * correlation((i, a.0), (j, b.0))
            }
          }
        }
      }
      #expect(abs(loss.value(levels) - expected) < 1e-4 * max(1, expected), "\(levels)")
    }
  }

  @Test func exchangesReachTheOptimumOfSmallProblems() throws {
    var (found, better) = (0, 0)
    for seed in 0..<20 {
      let curves = curves(5, costs: [3, 10, 4], seed: UInt64(100 + seed))
      let loss = QuadraticLoss(
        curves, LossCorrelations(terms(modules: 5, widths: [1, 2, 3, 4], shared: 0.9, seed: UInt64(seed))))
      for budget in [50, 73, 99] {
        func cost(_ levels: [Int]) -> Int {
          zip(levels, curves).reduce(0) { $0 + $1.1.widths[$1.0] * $1.1.costPerUnit }
        }
        var best = Double.infinity
        for number in 0..<3125 {
          let levels = [number % 5, number / 5 % 5, number / 25 % 5, number / 125 % 5, number / 625]
          if cost(levels) <= budget { best = min(best, loss.value(levels)) }
        }
        let chosen = try #require(QuadraticAllocation.allocate(loss, budget: budget))
        #expect(cost(chosen) <= budget)
        #expect(try #require(QuadraticAllocation.allocate(loss, budget: budget)) == chosen)
        let (value, plain) = (
          loss.value(chosen), loss.value(try #require(WidthAllocation.allocate(curves, budget: budget)))
        )
        #expect(value <= plain + 1e-9)
        if value < plain - 1e-6 { better += 1 }
        if value <= best + 1e-6 { found += 1 }
      }
      #expect(QuadraticAllocation.allocate(loss, budget: 5) == nil)
    }
    #expect(found == 60 && better > 20, "\(found) optima of 60, \(better) better than the curves")
  }
}
