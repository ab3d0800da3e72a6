import Foundation
import LinearAlgebra
import Subnets
import Testing

@testable import Reformation

@Suite struct QuadraticLossTests {
  /// Terms of two modules a layer whose correlation is `strength·exp(−d/reach)`, at the first of two widths; those of the
  /// second are a part of it.
  private func terms(layers: Int, strength: Double, reach: Double, windows: Int = 120, seed: UInt64) -> LossTerms {
    let (length, fall) = (50, exp(-1 / reach))
    var random = SeededGenerator(seed: seed)
    // Uniform numbers of variance 1.
    func noise() -> Double { (2 * random.unit() - 1) * 3.0.squareRoot() }
    let made = (0..<2 * layers).map { _ in Matrix<Float>(rows: windows * length, columns: 2) }
    for token in 0..<windows * length {
      var common = noise()
      for layer in 0..<layers {
        // A chain of correlation `fall` from layer to layer.
        common = fall * common + (1 - fall * fall).squareRoot() * noise()
        for module in 0..<2 {
          let value = strength.squareRoot() * common + (1 - strength).squareRoot() * noise()
          made[2 * layer + module][token, 0] = Float(value)
          made[2 * layer + module][token, 1] = Float(0.5 * value)
        }
      }
    }
    return LossTerms(made, widths: Array(repeating: [1, 2], count: 2 * layers), length: length)
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

  @Test(arguments: [(0.3, 4.0), (0.1, 2.0), (0.2, 12.0)]) func fitFindsStrengthAndReach(
    strength: Double, reach: Double
  ) {
    let found = ErrorCorrelation(terms(layers: 12, strength: strength, reach: reach, seed: 1))
    #expect(abs(found.strength / strength - 1) < 0.15, "\(found)")
    #expect(found.reach > 0.7 * reach && found.reach < 1.5 * reach, "\(found)")
    #expect(abs(found.value(layersBetween: 0) - found.strength) < 1e-12)
  }

  @Test func noiseHasNoCorrelation() {
    #expect(ErrorCorrelation(terms(layers: 12, strength: 0, reach: 4, seed: 2)).strength < 0.02)
    let zeros = (0..<4).map { _ in Matrix<Float>(rows: 20, columns: 2) }
    let none = ErrorCorrelation(LossTerms(zeros, widths: Array(repeating: [1, 2], count: 4), length: 10))
    #expect(none.strength == 0)
  }

  @Test func valueIsTheSumOfErrorsAndOfWhatTheyHaveTogether() throws {
    let correlation = ErrorCorrelation(strength: 0.3, reach: 2)
    let curves = curves(6, costs: [3], seed: 6)
    let loss = QuadraticLoss(curves, correlation)
    for levels in [[0, 1, 2, 3, 4, 0], [1, 1, 1, 1, 1, 1], [3, 0, 2, 1, 0, 2], [4, 4, 4, 4, 4, 4]] {
      let errors = zip(curves, levels).map { $0.errors[$1] }
      var expected = errors.reduce(0, +)
      for i in 0..<6 {
        for j in 0..<6 where i != j {
          let distance = Double(abs(i / 2 - j / 2))
          expected += 0.3 * exp(-distance / 2) * (errors[i] * errors[j]).squareRoot()
        }
      }
      #expect(abs(loss.value(levels) - expected) < 1e-9, "\(levels)")
      let widths = (0..<3).map { LayerWidths(groups: levels[2 * $0] + 1, channels: levels[2 * $0 + 1] + 1) }
      #expect(abs(try #require(loss.value(widths)) - expected) < 1e-9)
      #expect(ErrorCurves.error(curves, widths, correlation) == loss.value(widths))
    }
    #expect(loss.value((0..<3).map { _ in LayerWidths(groups: 1, channels: 7) }) == nil)
    // Without correlation it is the sum of the curves.
    let alone = QuadraticLoss(curves, ErrorCorrelation(strength: 0, reach: 2)).value([0, 0, 0, 0, 0, 0])
    #expect(abs(alone - curves.reduce(0) { $0 + $1.errors[0] }) < 1e-12)
  }

  /// Errors that go together are never less than none: the form is positive semidefinite.
  @Test(arguments: [0.5, 3, 60]) func correlationsArePositiveTogether(reach: Double) {
    let correlation = ErrorCorrelation(strength: 1, reach: reach)
    let matrix = Matrix<Double>(rows: 20, columns: 20)
    for i in 0..<20 {
      for j in 0..<20 { matrix[i, j] = correlation.value(layersBetween: abs(i / 2 - j / 2)) + (i == j ? 1e-9 : 0) }
    }
    #expect(throws: Never.self) { try CholeskyFactor(factorising: matrix) }
  }

  @Test func exchangesReachTheOptimumOfSmallProblems() throws {
    var (found, better) = (0, 0)
    for seed in 0..<20 {
      let curves = curves(5, costs: [3, 10, 4], seed: UInt64(100 + seed))
      let loss = QuadraticLoss(curves, ErrorCorrelation(strength: 0.4, reach: 1.5))
      for budget in [50, 73, 99] {
        func cost(_ levels: [Int]) -> Int {
          zip(levels, curves).reduce(0) { $0 + $1.1.costs[$1.0] }
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
        if value <= best + 1e-9 { found += 1 }
      }
      #expect(QuadraticAllocation.allocate(loss, budget: 5) == nil)
    }
    #expect(found == 60 && better > 10, "\(found) optima of 60, \(better) better than the curves")
  }
}
