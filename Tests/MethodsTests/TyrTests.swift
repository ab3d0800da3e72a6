import Calibration
import Importance
import LinearAlgebra
import Reformation
import Subnets
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

@Suite struct TyrTests {
  private func supernet(
    _ tiny: TinyBench, _ accumulation: TyrSupernet.Accumulation
  ) throws -> (supernet: TyrSupernet, levels: SparsityLevels) {
    let bench = try tiny.bench()
    let start = try #require(Tyr.start(tiny.configuration, budget: tiny.configuration.blockParameters * 6 / 10))
    let levels = SparsityLevels(tiny.configuration, around: start, interval: 0.125, count: 5)
    return (
      try TyrSupernet(of: tiny.model, levels, on: bench.windows(), statistics: bench.statistics(), accumulation), levels
    )
  }

  /// The second layer's sparsities are made on what the first, pruned, passes on, and fit it better than those that are made on
  /// dense activations.
  @Test func laterLayersAreMadeOnThePrunedPrefix() throws {
    let tiny = try TinyBench()
    let (made, levels) = try supernet(tiny, .middle)
    let (dense, _) = try supernet(tiny, .none)
    let statistics = try tiny.bench().statistics()
    func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Float {
      zip(a.elements, b.elements).map { abs($0 - $1) }.max() ?? 0
    }
    let (first, last) = (0, tiny.configuration.layerCount - 1)
    #expect(try distance(made.statistics.layer(first).contextGram, statistics.layer(first).contextGram) < 1e-5)
    #expect(try distance(dense.statistics.layer(last).hiddenGram, statistics.layer(last).hiddenGram) < 1e-4)
    #expect(try distance(made.statistics.layer(last).hiddenGram, statistics.layer(last).hiddenGram) > 1e-3)
    // The error of the output on the pruned prefix, E‖W x − Ŵ x_K‖² = tr(Δ G Δᵀ).
    let gram = try made.statistics.layer(last).hiddenGram.widened()
    func error(_ supernet: TyrSupernet) throws -> Double {
      let width = levels.middle[last].channels
      let kept = try supernet.units(levels.middle)[last].channels
      let change = try tiny.model.layer(last).down.weight.widened()
      // A half layer has its units in the order of the ranking; a subnet has them so, too.
      let weights = try supernet.half(last, isMLP: true, width: width)
      let rows = try tiny.model.layer(last).gate.weight
      for place in 0..<width {
        let unit = try #require(kept.first { Self.isEqual(rows.row($0), weights.gate.weight.row(place), rows.columns) })
        for i in 0..<change.rows { change[i, unit] -= Double(weights.down.weight[i, place]) }
      }
      let reached = Matrix<Double>(rows: change.rows, columns: change.columns)
      multiply(change, gram, into: reached)
      return zip(reached.elements, change.elements).reduce(0) { $0 + $1.0 * $1.1 }
    }
    #expect(try error(made) < error(dense))
  }

  private static func isEqual(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Bool {
    (0..<count).allSatisfy { a[$0] == b[$0] }
  }

  /// The passed-on weight, against the sum over sparsities of outputs weighted by what stays.
  @Test func expectationWeighsByWhatStays() throws {
    let (problem, order) = (Problem(inputs: 6, outputs: 2), [4, 0, 2, 5, 1, 3])
    let mean = try TyrSupernet.expectation(
      problem.weight, gram: problem.gram, order: order, widths: [1, 2, 3], of: 3)
    let solver = try NestedReformation(gram: problem.gram, weight: problem.weight, order: order, damping: 0.01)
    let wanted = Matrix<Float>(rows: 2, columns: 6)
    // Two inputs a unit; sparsities 2/3, 1/3 and 0, so weights 1/3, 2/3 and 1, over 2.
    for (width, share) in [(2, Float(1) / 6), (4, Float(1) / 3), (6, Float(1) / 2)] {
      let part = solver.weight(keeping: width)
      for i in 0..<2 { for j in 0..<width { wanted[i, order[j]] += share * part[i, j] } }
    }
    for (a, b) in zip(mean.elements, wanted.elements) { #expect(abs(a - b) < 1e-5) }
  }

  /// Without the first-order term the order is that of the elimination; with it, a unit that cancels others is told apart.
  @Test func localPruningCountsTheSlope() throws {
    let tiny = try TinyBench()
    let statistics = try tiny.bench().statistics()
    let layer = try ScoredLayer(0, of: tiny.model, for: nil, statistics: statistics)
    let scores = try LocalPruning().scores(of: layer)
    #expect(scores.groups.count == layer.shape.kvHeads && scores.channels.count == layer.shape.mlpChannels)
    // The first channels to go are those of least cost by the formula: |Σ w∘(H w)| + ½ w²/[H⁻¹].
    let damped = layer.statistics.hiddenGram.damped(0.01)
    let rows = layer.weights.down.weight.widened().transposed()
    let slopes = Matrix<Double>(rows: rows.rows, columns: rows.columns)
    multiply(damped, rows, into: slopes)
    let inverse = damped.copy()
    try CholeskyFactor.invert(inverse)
    let costs = (0..<rows.rows).map { unit in
      let columns = 0..<rows.columns
      let slope = columns.reduce(0.0) { $0 + rows[unit, $1] * slopes[unit, $1] }
      return abs(slope) + columns.reduce(0.0) { $0 + rows[unit, $1] * rows[unit, $1] } / inverse[unit, unit] / 2
    }
    let first = Set(costs.indices.sorted { costs[$0] < costs[$1] }.prefix(16))
    #expect(Set(scores.ranking.channels.suffix(16)) == first)
  }

  @Test func shiftsKeepTheParameters() throws {
    let configuration = shape(
      hidden: 64, layers: 4, heads: 8, kvHeads: 8, dimension: 8, channels: 200, vocabulary: 10)
    let budget = configuration.blockParameters * 7 / 10
    let start = try #require(Tyr.start(configuration, budget: budget))
    // A share of 0.7 of 32 groups, to the nearest.
    #expect(start.reduce(0) { $0 + $1.groups } == 22 && configuration.cost(start) <= budget)
    let levels = SparsityLevels(configuration, around: start, interval: 0.125, count: 9)
    #expect(levels.steps == (1, 25))
    #expect(levels.widths(.attention, 0).allSatisfy { 1...8 ~= $0 })
    var search = SparsityShifts(
      levels, seed: 3, offspring: 40, windows: TokenWindows(length: 8, tokens: Array(repeating: 0, count: 80)))
    let children = search.children(of: start)
    #expect(children.count == 40 && Set(children).count == 40 && !children.contains(start))
    for child in children {
      #expect(configuration.cost(child) == configuration.cost(start))
      #expect(child.reduce(0) { $0 + $1.groups } == 22)
    }
    // It walks toward what the judge wants, and never to what is worse.
    func wanted(_ widths: [LayerWidths]) -> Double {
      Double(abs(widths[0].channels - start[0].channels - 50) + abs(widths[1].groups - start[1].groups - 1))
    }
    let found = search.run(generations: 30) { candidates, windows in
      #expect(windows.count <= 10)
      return candidates.map(wanted)
    }
    #expect(found.divergence == wanted(found.widths) && found.divergence == 0)
    let none = search.run(generations: 0) { candidates, _ in candidates.map(wanted) }
    #expect(none.widths == start)
  }

  @Test func searchImprovesOnTheUniformAllocation() throws {
    let tiny = try TinyBench()
    let uniform = try tiny.prune("tyr", keep: 0.6, "generations=0", "rounds=1")
    let searched = try tiny.prune("tyr", keep: 0.6, "generations=4", "rounds=1", "interval=0.125")
    let bench = try tiny.bench()
    #expect(try bench.divergence(of: searched.network) <= bench.divergence(of: uniform.network))
    let after = try #require(searched.decisions["KL after each round"].flatMap(Double.init))
    #expect(abs(try bench.divergence(of: searched.network) - after) < 1e-4)
  }
}
