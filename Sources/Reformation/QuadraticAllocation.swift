import Foundation
import LinearAlgebra

/// Chooses the width of every module for a budget by a quadratic model of the loss.
///
/// It begins with the allocation of the curves alone, and with that of curves that were changed at random, and exchanges
/// width between two modules as long as that lowers the loss. The best of all starts is taken, so it is never worse than
/// the allocation of the curves, by the model.
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
          widths: curve.widths, errors: curve.errors.map { factor * $0 }, costPerUnit: curve.costPerUnit)
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
    /// By module and level: what the level has with the levels of the other modules.
    private var together: [[Double]]

    init(_ loss: QuadraticLoss, _ levels: [Int], budget: Int) {
      (self.loss, self.levels) = (loss, levels)
      left = zip(loss.curves, levels).reduce(budget) { $0 - $1.0.widths[$1.1] * $1.0.costPerUnit }
      together = loss.together(with: levels)
    }

    /// Lets one module after the other give width away, until none gains by that.
    mutating func run() {
      // Each exchange lowers the loss, so the sweeps end; the limit is for rounding.
      for _ in 0..<100 {
        var isBetter = false
        for giver in levels.indices {
          guard let found = best(giver) else { continue }
          for (module, level) in found { move(module, to: level) }
          isBetter = true
        }
        if !isBetter { return }
      }
    }

    /// The changes of levels that lower the loss most if a module keeps its width or gives some away; `nil` if none does.
    private func best(_ giver: Int) -> [(module: Int, level: Int)]? {
      var best: (gain: Double, moves: [(module: Int, level: Int)]) = (1e-9 * abs(loss.value(levels)), [])
      let own = levels[giver]
      for level in max(0, own - QuadraticAllocation.reach)...own {
        let (given, spare) = (difference(giver, level), left - cost(giver, level))
        if -given > best.gain { best = (-given, [(giver, level)]) }
        for taker in levels.indices where taker != giver {
          let now = levels[taker]
          for wider in loss.curves[taker].widths.indices.dropFirst(now + 1).prefix(QuadraticAllocation.reach) {
            if cost(taker, wider) > spare { break }
            let gain = -given - difference(taker, wider) - both((giver, level), (taker, wider))
            if gain > best.gain { best = (gain, [(giver, level), (taker, wider)]) }
          }
        }
      }
      return best.moves.isEmpty ? nil : best.moves
    }

    /// Parameters that another level of a module takes more.
    private func cost(_ module: Int, _ level: Int) -> Int {
      let curve = loss.curves[module]
      return (curve.widths[level] - curve.widths[levels[module]]) * curve.costPerUnit
    }

    /// What the loss grows by if one module alone changes.
    private func difference(_ module: Int, _ level: Int) -> Double {
      let (errors, together, now) = (loss.curves[module].errors, together[module], levels[module])
      return errors[level] - errors[now] + 2 * (together[level] - together[now])
    }

    /// What it grows by beside the two changes alone.
    private func both(_ a: (module: Int, level: Int), _ b: (module: Int, level: Int)) -> Double {
      let (a0, b0) = ((a.module, levels[a.module]), (b.module, levels[b.module]))
      return 2 * (loss.together(a, b) - loss.together(a, b0) - loss.together(a0, b) + loss.together(a0, b0))
    }

    private mutating func move(_ module: Int, to level: Int) {
      left -= cost(module, level)
      levels[module] = level
      together = loss.together(with: levels)
    }
  }
}
