import Foundation
import LinearAlgebra

/// Chooses the width of every module for a budget by a quadratic model of the loss.
///
/// It begins with the allocation of the curves alone, and with those of curves that were changed at random. Then it
/// exchanges width between two modules as long as that lowers the loss. The best of all starts is taken; by the model
/// it is never worse than the allocation of the curves.
public enum QuadraticAllocation {
  /// Steps of width that a module may lose or gain in an exchange.
  private static let reach = 8
  /// The logarithms by which curves are changed are uniform up to this size.
  private static let change = 0.7

  /// - Parameters:
  ///   - budget: parameters to spend on the modules together.
  ///   - starts: number of starts.
  /// - Returns: an index into `widths` for every module, or `nil` if even the narrowest widths exceed the budget.
  public static func allocate(_ loss: QuadraticLoss, budget: Int, starts: Int = 20) -> [Int]? {
    var best: (levels: [Int], value: Double)?
    for start in 0..<max(1, starts) {
      var random = SeededGenerator(seed: 0, stream: UInt64(start))
      let curves = loss.curves.map { curve in
        let factor = start == 0 ? 1 : exp(change * (2 * random.unit() - 1))
        return ModuleCurve(
          widths: curve.widths, errors: curve.errors.map { factor * $0 }, costs: curve.costs)
      }
      guard let levels = WidthAllocation.allocate(curves, budget: budget) else { return nil }
      var exchange = Exchange(loss, levels, budget: budget)
      exchange.run()
      let value = loss.value(exchange.levels)
      if best.map({ value < $0.value }) ?? true { best = (exchange.levels, value) }
    }
    return best?.levels
  }

  /// Widths that change by exchanges.
  private struct Exchange {
    private let loss: QuadraticLoss
    private(set) var levels: [Int]
    /// Parameters that are not spent.
    private var left: Int
    /// `QuadraticLoss.pull` on every module.
    private var pulls: [Double]

    init(_ loss: QuadraticLoss, _ levels: [Int], budget: Int) {
      (self.loss, self.levels) = (loss, levels)
      left = zip(loss.curves, levels).reduce(budget) { $0 - $1.0.costs[$1.1] }
      pulls = levels.indices.map { loss.pull(on: $0, levels) }
    }

    /// Lets one module after the other give width away, until none gains by that.
    mutating func run() {
      // Each exchange lowers the loss, so the sweeps end; the limit is for rounding.
      for _ in 0..<100 {
        var isBetter = false
        let least = 1e-9 * abs(loss.value(levels))
        for giver in levels.indices {
          let found = best(giver, gaining: least)
          for (module, level) in found { move(module, to: level) }
          isBetter = isBetter || !found.isEmpty
        }
        if !isBetter { return }
      }
    }

    /// The changes of levels that lower the loss most if a module keeps its width or gives some away; empty if none
    /// gains more than `least`.
    private func best(_ giver: Int, gaining least: Double) -> [(module: Int, level: Int)] {
      var best: (gain: Double, moves: [(module: Int, level: Int)]) = (least, [])
      let (own, wider) = (levels[giver], wider(than: giver))
      for level in max(0, own - QuadraticAllocation.reach)...own {
        let (lost, spare) = (difference(giver, level), left - cost(giver, level))
        let given = 2 * (loss.root(giver, level) - loss.root(giver, own))
        if -lost > best.gain { best = (-lost, [(giver, level)]) }
        var (most, found) = (best.gain, -1)
        for place in wider.indices where wider[place].cost <= spare {
          let gain = wider[place].gain - lost - given * wider[place].root
          if gain > most { (most, found) = (gain, place) }
        }
        if found >= 0 { best = (most, [(giver, level), (wider[found].module, wider[found].level)]) }
      }
      return best.moves
    }

    /// A module that takes width: what that costs and gains alone, and how far its `√e` changes, times the correlation
    /// with the giver.
    private struct Taker {
      let module: Int
      let level: Int
      let cost: Int
      let gain: Double
      let root: Double
    }

    private func wider(than giver: Int) -> [Taker] {
      levels.indices.filter { $0 != giver }.flatMap { module in
        let (now, correlation) = (levels[module], loss.correlation(giver, module))
        return loss.curves[module].widths.indices.dropFirst(now + 1).prefix(QuadraticAllocation.reach).map { level in
          Taker(
            module: module, level: level, cost: cost(module, level), gain: -difference(module, level),
            root: correlation * (loss.root(module, level) - loss.root(module, now)))
        }
      }
    }

    /// Parameters that another level of a module takes more.
    private func cost(_ module: Int, _ level: Int) -> Int {
      let curve = loss.curves[module]
      return curve.costs[level] - curve.costs[levels[module]]
    }

    /// The growth of the loss if one module alone changes.
    private func difference(_ module: Int, _ level: Int) -> Double {
      let (errors, now) = (loss.curves[module].errors, levels[module])
      return errors[level] - errors[now] + 2 * pulls[module] * (loss.root(module, level) - loss.root(module, now))
    }

    private mutating func move(_ module: Int, to level: Int) {
      left -= cost(module, level)
      levels[module] = level
      pulls = levels.indices.map { loss.pull(on: $0, levels) }
    }
  }
}
