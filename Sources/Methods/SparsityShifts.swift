import LanguageModels
import LinearAlgebra
import Subnets

/// The evolutionary search of Týr-the-Pruner over the widths of a supernet.
///
/// A generation begins with one parent. Each offspring is the parent after a few shifts: one module becomes a step wider and
/// another of the same kind, attention or MLP, a step narrower, so that the parameters stay the same. Small numbers of shifts are
/// likelier. The offspring are judged in stages on more and more tokens, of which fewer and fewer survive; the parent takes part
/// in the last stage.
struct SparsityShifts {
  private let levels: SparsityLevels
  private let offspring: Int
  private let windows: TokenWindows
  private var random: SeededGenerator
  private var allowed: [[[Int]]] = []

  /// Tokens that a stage judges on, and the share of the offspring that survive it.
  private static let stages: [(tokens: Int, survivors: Double)] = [
    (2048, 1.0 / 8), (16_384, 1.0 / 32), (131_072, 0),
  ]

  /// - Parameter windows: those that candidates are judged on.
  init(_ levels: SparsityLevels, seed: UInt64, offspring: Int, windows: TokenWindows) {
    (self.levels, self.offspring, self.windows) = (levels, offspring, windows)
    random = SeededGenerator(seed: seed, stream: 47)
    allowed = LayerPart.Module.allCases.map { module in
      levels.configuration.layers.indices.map { levels.widths(module, $0) }
    }
  }

  /// - Parameter judge: given candidates and the windows to judge on; smaller is better.
  /// - Returns: the last parent, and its value on the windows of the last stage.
  mutating func run(
    generations: Int, _ judge: ([[LayerWidths]], Range<Int>) throws -> [Double]
  ) rethrows -> (widths: [LayerWidths], divergence: Double) {
    var parent = levels.middle
    let stages = stageWindows()
    var value = try judge([parent], stages.last.map { 0..<$0.count } ?? 0..<1)[0]
    for _ in 0..<generations {
      var candidates = children(of: parent)
      for (place, stage) in stages.enumerated() where !candidates.isEmpty {
        let isLast = place == stages.count - 1
        let start = isLast ? 0 : random.integer(below: windows.count - stage.count + 1)
        let values = try judge(candidates, start..<start + stage.count)
        let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
        if isLast {
          // The parent's value on these windows is known.
          if let best = order.first, values[best] < value { (parent, value) = (candidates[best], values[best]) }
        } else {
          candidates = order.prefix(stage.survivors).map { candidates[$0] }
        }
      }
    }
    return (parent, value)
  }

  /// Windows and survivors of each stage; of stages on as many windows the last.
  private func stageWindows() -> [(count: Int, survivors: Int)] {
    var result: [(count: Int, survivors: Int)] = []
    for stage in Self.stages {
      let count = min(windows.count, max(1, stage.tokens / windows.length))
      if result.last?.count == count { result.removeLast() }
      result.append((count, max(1, Int(stage.survivors * Double(offspring)))))
    }
    return result
  }

  /// Different offspring, as many as are wanted, or as many as are found.
  mutating func children(of parent: [LayerWidths]) -> [[LayerWidths]] {
    var (found, seen) = ([[LayerWidths]](), Set([parent]))
    for _ in 0..<20 * offspring where found.count < offspring {
      var child = parent
      let shifts = min(random.integer(in: 1...4), random.integer(in: 1...4))
      for _ in 0..<shifts { shift(&child) }
      if seen.insert(child).inserted { found.append(child) }
    }
    return found
  }

  private mutating func shift(_ widths: inout [LayerWidths]) {
    let modules = LayerPart.Module.allCases
    let places = widths.indices.flatMap { index in modules.indices.map { (index, $0) } }
    let wider = places.filter { canMove(widths, $0.0, $0.1, by: 1) }
    if wider.isEmpty { return }
    let (layer, module) = wider[random.integer(below: wider.count)]
    let narrower = widths.indices.filter { $0 != layer && canMove(widths, $0, module, by: -1) }
    if narrower.isEmpty { return }
    let other = narrower[random.integer(below: narrower.count)]
    move(&widths, layer, module, by: 1)
    move(&widths, other, module, by: -1)
  }

  private func canMove(_ widths: [LayerWidths], _ layer: Int, _ module: Int, by steps: Int) -> Bool {
    var moved = widths
    move(&moved, layer, module, by: steps)
    return allowed[module][layer].contains(module == 0 ? moved[layer].groups : moved[layer].channels)
  }

  private func move(_ widths: inout [LayerWidths], _ layer: Int, _ module: Int, by steps: Int) {
    if module == 0 {
      widths[layer].groups += steps * levels.steps.groups
    } else {
      widths[layer].channels += steps * levels.steps.channels
    }
  }
}
