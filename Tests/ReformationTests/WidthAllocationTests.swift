import LanguageModels
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct WidthAllocationTests {
  private func cost(_ choice: [Int], _ curves: [ModuleCurve]) -> Int {
    zip(choice, curves).reduce(0) { $0 + $1.1.costs[$1.0] }
  }

  private func error(_ choice: [Int], _ curves: [ModuleCurve]) -> Double {
    zip(choice, curves).reduce(0) { $0 + $1.1.errors[$1.0] }
  }

  /// The best choice of all, by trying every one.
  private func bruteForce(_ curves: [ModuleCurve], budget: Int) -> Double? {
    var best: Double?
    func extend(_ choice: [Int]) {
      if choice.count == curves.count {
        if cost(choice, curves) <= budget { best = min(best ?? .infinity, error(choice, curves)) }
        return
      }
      for level in curves[choice.count].widths.indices { extend(choice + [level]) }
    }
    extend([])
    return best
  }

  /// Convex falling curves: gains that get smaller from step to step.
  private func convex(_ count: Int, costs: [Int], random: inout SeededGenerator) -> [ModuleCurve] {
    (0..<count).map { index in
      let gains = (0..<4).map { _ in random.unit() * 3 }.sorted(by: >)
      let errors = (0...4).map { level in gains.dropFirst(level).reduce(0, +) }
      return ModuleCurve(widths: [2, 4, 6, 8, 10], errors: errors, costPerUnit: costs[index % costs.count])
    }
  }

  @Test func isOptimalWhereStepsCostTheSame() throws {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<30 {
      let curves = convex(4, costs: [7], random: &random)
      for budget in [56, 57, 100, 140, 141, 200, 279, 280, 500] {
        let choice = try #require(WidthAllocation.allocate(curves, budget: budget))
        #expect(cost(choice, curves) <= budget)
        let best = try #require(bruteForce(curves, budget: budget))
        #expect(abs(error(choice, curves) - best) <= 1e-12)
      }
    }
  }

  /// Where steps cost differently, the price leaves at most what the last step would have bought.
  @Test func isOptimalUpToOneStepWhereCostsDiffer() throws {
    var random = SeededGenerator(seed: 2)
    var exact = 0
    for _ in 0..<40 {
      let curves = convex(4, costs: [3, 10, 4, 25], random: &random)
      let largest =
        curves.flatMap { curve in
          zip(curve.errors, curve.errors.dropFirst()).map { $0 - $1 }
        }.max() ?? 0
      for budget in stride(from: 84, through: 430, by: 29) {
        let choice = try #require(WidthAllocation.allocate(curves, budget: budget))
        let spent = cost(choice, curves)
        #expect(spent <= budget)
        let best = try #require(bruteForce(curves, budget: budget))
        let found = error(choice, curves)
        #expect(found >= best - 1e-12 && found <= best + largest)
        if found <= best + 1e-12 { exact += 1 }
        // Nothing that helps is left to buy.
        for (module, curve) in curves.enumerated() where choice[module] + 1 < curve.widths.count {
          let step = curve.costs[choice[module] + 1] - curve.costs[choice[module]]
          #expect(spent + step > budget || curve.errors[choice[module] + 1] >= curve.errors[choice[module]])
        }
      }
    }
    #expect(exact > 240, "\(exact) of 480")
  }

  @Test func moreBudgetIsNeverWorse() throws {
    var random = SeededGenerator(seed: 3)
    let curves = convex(6, costs: [5, 9], random: &random)
    var last = Double.infinity
    for budget in stride(from: 84, through: 430, by: 1) {
      let found = error(try #require(WidthAllocation.allocate(curves, budget: budget)), curves)
      #expect(found <= last + 0.5)
      last = found
    }
    #expect(last == 0)
  }

  @Test func wholeBudgetKeepsEverythingAndTooLittleIsNil() {
    var random = SeededGenerator(seed: 4)
    let curves = convex(3, costs: [2, 3], random: &random)
    let (least, most) = (cost([0, 0, 0], curves), cost([4, 4, 4], curves))
    #expect(WidthAllocation.allocate(curves, budget: most) == [4, 4, 4])
    #expect(WidthAllocation.allocate(curves, budget: Int.max / 2) == [4, 4, 4])
    #expect(WidthAllocation.allocate(curves, budget: least) == [0, 0, 0])
    #expect(WidthAllocation.allocate(curves, budget: least - 1) == nil)
    #expect(WidthAllocation.allocate([], budget: 0) == [])
    #expect(WidthAllocation.allocate([], budget: -1) == nil)
  }

  /// A curve that no price reaches into is crossed in one jump.
  @Test func concaveCurvesMeetTheBudgetToo() throws {
    let concave = ModuleCurve(widths: [0, 1, 2, 3], errors: [10, 9, 7, 0], costPerUnit: 10)
    let curves = [concave, concave, ModuleCurve(widths: [1, 2], errors: [1, 0], costPerUnit: 5)]
    for budget in 5...70 {
      let choice = try #require(WidthAllocation.allocate(curves, budget: budget))
      #expect(cost(choice, curves) <= budget)
    }
    #expect(WidthAllocation.allocate(curves, budget: 40) == [3, 0, 1])
  }

  @Test func flatStepsAreFreeToKeepButNeverCostError() throws {
    let flat = ModuleCurve(widths: [1, 2, 3], errors: [1, 1, 1], costPerUnit: 4)
    #expect(WidthAllocation.allocate([flat, flat], budget: 24) == [2, 2])
    // A curve that rises again is not followed upwards, whatever is left.
    let rising = ModuleCurve(widths: [1, 2, 3], errors: [3, 0, 1], costPerUnit: 4)
    #expect(WidthAllocation.allocate([rising], budget: 100) == [1])
    #expect(WidthAllocation.allocate([rising, flat], budget: 19) == [1, 1])
    let other = ModuleCurve(widths: [1, 2], errors: [9, 0], costPerUnit: 100)
    #expect(WidthAllocation.allocate([rising, other], budget: 112) == [1, 0])
  }

  @Test func tinyAndHugeErrorsAreAllocatedAlike() throws {
    var random = SeededGenerator(seed: 5)
    let curves = convex(4, costs: [3, 8], random: &random)
    let expected = try #require(WidthAllocation.allocate(curves, budget: 150))
    for scale in [1e-20, 1e-9, 1e9, 1e20] {
      let scaled = curves.map {
        ModuleCurve(widths: $0.widths, errors: $0.errors.map { $0 * scale }, costs: $0.costs)
      }
      #expect(WidthAllocation.allocate(scaled, budget: 150) == expected)
    }
  }
}
