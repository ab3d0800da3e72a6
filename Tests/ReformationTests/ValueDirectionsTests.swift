import Foundation
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct ValueDirectionsTests {
  private func positive(_ order: Int, seed: UInt64) -> Matrix<Double> {
    let root = Matrix<Float>.random(order, 2 * order, seed: seed)
    let result = Matrix<Float>(rows: order, columns: order)
    multiply(root, root, transposingB: true, into: result)
    return result.widened()
  }

  private func heads(_ count: Int, order: Int, seed: UInt64 = 1) -> ValueDirections {
    ValueDirections(
      moments: (0..<count).map { positive(order, seed: seed + UInt64($0)) },
      costs: (0..<count).map { positive(order, seed: seed + 100 + UInt64($0)) })
  }

  /// Two dimensions have one angle, so that the best direction can be looked for.
  @Test(arguments: [1, 2, 3], [1 as UInt64, 2, 3, 4]) func oneDirectionOfTwoIsTheBest(count: Int, seed: UInt64) throws {
    let heads = heads(count, order: 2, seed: 10 * seed)
    let least =
      try (0..<20_000).map { step -> Double in
        let angle = Double(step) * .pi / 20_000
        return try heads.loss(Matrix([cos(angle), sin(angle)], rows: 2, columns: 1))
      }.min() ?? 0
    let found = try heads.loss(heads.directions(1, rounds: 200))
    #expect(found <= least * (1 + 1e-3) && found >= least * (1 - 1e-5), "\(found), \(least)")
  }

  /// With one head the loss is what the eigenvalues that are left out add up to, and no other directions lose less.
  @Test(arguments: [1, 3, 5]) func oneHeadLosesTheSmallestEigenvalues(count: Int) throws {
    let heads = heads(1, order: 6)
    let root = try CholeskyFactor(factorising: heads.moments[0].copy())
    // C = L·Lᵀ: Lᵀ Q L has the eigenvalues of C^½ Q C^½.
    let lower = Matrix<Double>(rows: 6, columns: 6)
    for i in 0..<6 { for j in 0...i { lower[i, j] = root.lower[i, j] } }
    let inner = ValueDirections.product(
      lower, ValueDirections.product(heads.costs[0], lower), transposingA: true)
    let expected = SymmetricEigenvalues(inner).values.dropFirst(count).reduce(0, +)
    let found = try heads.loss(heads.directions(count, rounds: 0))
    #expect(abs(found - expected) < 1e-8 * (1 + expected))
  }

  @Test(arguments: [2, 4]) func turnsLowerTheLossOfSeveralHeads(count: Int) throws {
    let heads = heads(count, order: 6)
    let (start, after) = (try heads.directions(3, rounds: 0), try heads.directions(3, rounds: 50))
    #expect(try heads.loss(after) < heads.loss(start))
    // Orthonormal.
    let product = ValueDirections.product(after, after, transposingA: true)
    for i in 0..<3 { for j in 0..<3 { #expect(abs(product[i, j] - (i == j ? 1 : 0)) < 1e-12) } }
  }

  @Test func allDirectionsLoseNothing() throws {
    let heads = heads(3, order: 5)
    #expect(try abs(heads.loss(heads.directions(5, rounds: 3))) < 1e-8)
  }

  /// Against all sets of three of seven.
  @Test(arguments: [1 as UInt64, 2, 3, 4, 5]) func pairsAreThoseThatLoseLeast(seed: UInt64) {
    let losses = positive(7, seed: seed)
    func loss(_ kept: [Int]) -> Double {
      let removed = (0..<7).filter { !kept.contains($0) }
      return removed.reduce(0) { sum, i in removed.reduce(sum) { $0 + losses[i, $1] } }
    }
    let all = (0..<128).map { set in (0..<7).filter { set >> $0 & 1 == 1 } }.filter { $0.count == 3 }
    let found = RotaryPairs.kept(losses, 3)
    #expect(found.count == 3 && found == found.sorted())
    // Single exchanges find the best or one of the best.
    #expect(all.count { loss($0) < loss(found) } <= 2)
    for out in found {
      for other in 0..<7 where !found.contains(other) {
        #expect(loss(found.filter { $0 != out } + [other]) >= loss(found) * (1 - 1e-8))
      }
    }
  }
}
