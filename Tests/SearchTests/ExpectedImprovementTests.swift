import Foundation
import LinearAlgebra
import Testing

@testable import Search

@Suite struct ExpectedImprovementTests {
  private let front = [[0.0, 3.0], [1.0, 2.5], [1.5, 1.0], [3.0, 0.2]]
  private let reference = [4.0, 4.0]

  /// Two independent normal numbers (Box and Muller).
  private func normals(_ generator: inout SeededGenerator) -> (Double, Double) {
    let radius = (-2 * log(1 - generator.unit())).squareRoot()
    let angle = 2 * Double.pi * generator.unit()
    return (radius * cos(angle), radius * sin(angle))
  }

  /// The area gained by a point.
  private func gain(_ point: [Double]) throws -> Double {
    try ParetoFront.hypervolume(front + [point], reference: reference)
      - ParetoFront.hypervolume(front, reference: reference)
  }

  // MARK: - The normal distribution

  @Test func excessAgreesWithItsIntegral() {
    // E[max(0, z + Z)] = ∫ max(0, z + t)·φ(t) dt, by the trapezium rule.
    for z in [-6.0, -2, -1, -0.5, 0, 1, 4] {
      let step = 1e-4
      let sum = stride(from: -z, to: 12, by: step).reduce(0) { $0 + (z + $1) * NormalDistribution.density($1) }
      #expect(abs(NormalDistribution.excess(z) / (sum * step) - 1) < 1e-5)
      #expect(abs(NormalDistribution.logExcess(z) - log(NormalDistribution.excess(z))) < 1e-10)
    }
  }

  @Test func logExcessIsSmooth() {
    // Where formulas change, and far out: h(z) ≈ φ(z)/z².
    for border in [-1.0, -500] {
      let (a, b) = (NormalDistribution.logExcess(border - 1e-9), NormalDistribution.logExcess(border + 1e-9))
      #expect(abs(a - b) < 1e-5)
    }
    for z in [-1e3, -1e6] {
      let expected = -z * z / 2 - log(2 * .pi) / 2 - 2 * log(-z)
      #expect(abs(NormalDistribution.logExcess(z) - expected) < 1e-5)
    }
    #expect(NormalDistribution.excess(-30) > 0)
  }

  // MARK: - One objective

  @Test func improvementOfOneObjective() {
    let improvement = ExpectedImprovement([[2], [1], [5]], reference: [])
    let belief = Belief(mean: 1.5, deviation: 0.8)
    var (generator, sum) = (SeededGenerator(seed: 1), 0.0)
    for _ in 0..<200_000 {
      let (a, b) = normals(&generator)
      sum += max(0, 1 - (1.5 + 0.8 * a)) + max(0, 1 - (1.5 + 0.8 * b))
    }
    #expect(abs(improvement.value([belief]) - sum / 400_000) < 0.002)
    #expect(improvement.value([Belief(mean: 0.25, deviation: 0)]) == 0.75)
    #expect(improvement.logarithm([Belief(mean: 3, deviation: 0)]) == -.infinity)
    #expect(improvement.logarithm([Belief(mean: 300, deviation: 1)]).isFinite)
  }

  // MARK: - Two objectives

  @Test func hypervolumeImprovementAgreesWithIntegration() throws {
    let improvement = ExpectedImprovement(front, reference: reference)
    for (mean, deviation) in [([1.0, 1.0], [0.5, 0.7]), ([3.5, 3.5], [1.0, 0.4]), ([-1.0, 0.0], [0.2, 1.5])] {
      let steps = 300
      var sum = 0.0
      for i in 0..<steps {
        for j in 0..<steps {
          let (s, t) = (16 * (Double(i) + 0.5) / Double(steps) - 8, 16 * (Double(j) + 0.5) / Double(steps) - 8)
          let weight = NormalDistribution.density(s) * NormalDistribution.density(t)
          if weight < 1e-14 { continue }
          sum += weight * (try gain([mean[0] + deviation[0] * s, mean[1] + deviation[1] * t]))
        }
      }
      let integral = sum * pow(16 / Double(steps), 2)
      let exact = improvement.value([
        Belief(mean: mean[0], deviation: deviation[0]), Belief(mean: mean[1], deviation: deviation[1]),
      ])
      #expect(abs(exact / integral - 1) < 5e-3)
    }
  }

  @Test func hypervolumeImprovementAgreesWithSampling() throws {
    let improvement = ExpectedImprovement(front, reference: reference)
    var (generator, sum) = (SeededGenerator(seed: 2), 0.0)
    for _ in 0..<50_000 {
      let (a, b) = normals(&generator)
      sum += try gain([2 + 0.6 * a, 0.8 + 0.5 * b])
    }
    let exact = improvement.value([Belief(mean: 2, deviation: 0.6), Belief(mean: 0.8, deviation: 0.5)])
    #expect(abs(exact - sum / 50_000) < 0.01)
  }

  @Test func anObjectiveMayBeKnown() throws {
    let improvement = ExpectedImprovement(front, reference: reference)
    for cost in [-1.0, 0.0, 0.5, 1.5, 2.9, 4.5] {
      // Sampled along the uncertain objective only, whichever of the two it is.
      for known in 0...1 {
        var (generator, sum) = (SeededGenerator(seed: 3), 0.0)
        for _ in 0..<20_000 {
          let value = 0.9 + 0.5 * normals(&generator).0
          sum += try gain(known == 0 ? [cost, value] : [value, cost])
        }
        let beliefs = [Belief(mean: cost, deviation: 0), Belief(mean: 0.9, deviation: 0.5)]
        let exact = improvement.value(known == 0 ? beliefs : beliefs.reversed())
        #expect(abs(exact - sum / 20_000) < 0.02)
      }
    }
    let certain = [Belief(mean: 1.2, deviation: 0), Belief(mean: 0.5, deviation: 0)]
    #expect(abs(improvement.value(certain) - (try gain([1.2, 0.5]))) < 1e-12)
  }

  @Test func farPointsStillCompare() {
    let improvement = ExpectedImprovement(front, reference: reference)
    func logarithm(_ mean: Double) -> Double {
      improvement.logarithm([Belief(mean: mean, deviation: 0.1), Belief(mean: mean, deviation: 0.1)])
    }
    #expect(improvement.value([Belief(mean: 9, deviation: 0.1), Belief(mean: 9, deviation: 0.1)]) == 0)
    #expect(logarithm(9).isFinite && logarithm(9) > logarithm(10))
    let near = [Belief(mean: 1, deviation: 0.3), Belief(mean: 1.2, deviation: 0.3)]
    #expect(abs(improvement.logarithm(near) - log(improvement.value(near))) < 1e-12)
    let empty = ExpectedImprovement([], reference: reference)
    #expect(abs(empty.value([Belief(mean: 1, deviation: 0), Belief(mean: 2, deviation: 0)]) - 6) < 1e-12)
  }

  // MARK: - Warps

  @Test func onlyValuesThatAreNotNegativeAreWarped() {
    #expect(OutputWarp.candidates([0.5, 4, 32, 256, 0]) == [.none, .logarithm(shift: 4)])
    #expect(OutputWarp.candidates([5, -1, 7]) == [.none])
    #expect(OutputWarp.candidates([0, 0, 7]) == [.none])
    #expect(OutputWarp.candidates([]) == [.none])
    let warp = OutputWarp.logarithm(shift: 0.5)
    #expect(warp.apply(0) == log(0.5) && warp.apply(-1) == log(0.5))
    let slope = (warp.apply(2 + 1e-6) - warp.apply(2 - 1e-6)) / 2e-6
    #expect(abs(warp.logJacobian([2, 2]) - 2 * log(slope)) < 1e-8)
  }
}
