import Calibration
import Foundation
import LinearAlgebra
import Subnets
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

@Suite struct MoDeGPTTests {
  @Test func leverageScoresAreTheDiagonalOfTheHatMatrix() throws {
    let problem = Problem(inputs: 5, outputs: 1)
    let (ridge, c) = (0.2, problem.gram.widened())
    let scores = try RidgeLeverage.scores(problem.gram, ridge: ridge)
    let mean = (0..<5).reduce(0) { $0 + c[$1, $1] } / 5
    // C(C + λI)⁻¹ by solving (C + λI)·X = C.
    let damped = c.copy()
    for i in 0..<5 { damped[i, i] += ridge * mean }
    let (factor, hat) = (try CholeskyFactor(factorising: damped), c.copy())
    factor.solveLower(hat)
    factor.solveLowerTransposed(hat)
    for i in 0..<5 { #expect(abs(Double(scores[i]) - hat[i, i]) < 1e-6) }
    #expect(scores.allSatisfy { 0 < $0 && $0 < 1 })
  }

  /// The fitted down projection solves the normal equations of the kept channels on the dense statistics.
  @Test func downProjectionsSolveTheNormalEquations() throws {
    let tiny = try TinyBench()
    let pruned = try tiny.prune("modegpt", keep: 0.7)
    #expect(pruned.repair == .nested)
    let statistics = try tiny.bench().statistics()
    for (index, units) in pruned.units.enumerated() {
      let gram = try statistics.layer(index).hiddenGram.widened()
      let kept = units.channels
      let dense = try tiny.model.layer(index).down.weight.widened()
      let made = try pruned.network.layer(index).down.weight
      // Ŵ·C_KK against W·C_·K.
      let left = Matrix<Double>(rows: made.rows, columns: kept.count)
      multiply(made.widened(), gram.gatherRows(kept).gatherColumns(kept), into: left)
      let right = Matrix<Double>(rows: dense.rows, columns: kept.count)
      multiply(dense, gram.gatherColumns(kept), into: right)
      let size = right.elements.map(abs).max() ?? 0
      for (a, b) in zip(left.elements, right.elements) { #expect(abs(a - b) < 1e-3 * size) }
      let scores = try RidgeLeverage.scores(statistics.layer(index).hiddenGram, ridge: 1e-2)
      let least = kept.map { scores[$0] }.min() ?? 0
      #expect(scores.indices.allSatisfy { kept.contains($0) || scores[$0] <= least })
    }
  }

  @Test func sharesFollowTheInfluence() throws {
    func allocation(_ temperature: Double, attention: Bool = true) -> InfluenceAllocation {
      InfluenceAllocation(
        configuration: shape(
          hidden: 64, layers: 3, heads: 8, kvHeads: 8, dimension: 8, channels: 400, vocabulary: 10),
        influence: [0.5, 0.1, 0.2], temperature: temperature, prunesAttention: attention)
    }
    let shares = allocation(0.4).shares(mean: 0.3)
    #expect(abs(shares.reduce(0, +) - 0.9) < 1e-12)
    #expect(abs(shares[1] / shares[2] - exp(0.1 / 0.4)) < 1e-12)
    #expect(abs(shares[2] / shares[0] - exp(0.3 / 0.4)) < 1e-12)
    // A share is one at most, however the influence lies.
    #expect(allocation(0.01).shares(mean: 0.9).max() == 1)
    let configuration = allocation(1).configuration
    let budget = configuration.blockParameters * 7 / 10
    let widths = try #require(allocation(0.4).widths(budget: budget))
    #expect(widths[1].channels < widths[2].channels && widths[2].channels < widths[0].channels)
    #expect(widths[1].groups <= widths[2].groups && widths[2].groups <= widths[0].groups)
    let cost = configuration.cost(widths)
    #expect(cost <= budget && Double(cost) > 0.99 * Double(budget))
    let alike = try #require(allocation(1e6).widths(budget: budget))
    #expect(Set(alike.map(\.groups)).count == 1)
    let narrow = alike.map(\.channels)
    #expect((narrow.max() ?? 0) - (narrow.min() ?? 0) <= 1)
    let whole = try #require(allocation(0.4, attention: false).widths(budget: budget))
    #expect(whole.allSatisfy { $0.groups == 8 })
    #expect(allocation(0.4).widths(budget: configuration.cost(allocation(1).narrowest)) != nil)
    #expect(allocation(0.4).widths(budget: configuration.cost(allocation(1).narrowest) - 1) == nil)
  }

  /// A layer that adds nothing has no influence.
  @Test func influenceIsTheTurnOfTheStream() throws {
    let tiny = try TinyBench()
    let bench = try tiny.bench()
    let influence = try MoDeGPT.blockInfluence(of: tiny.model, on: bench.windows())
    #expect(influence.count == tiny.configuration.layerCount && influence.allSatisfy { 0 < $0 && $0 < 2 })
    let model = tiny.model
    let silent = Subnet(of: model, keeping: tiny.configuration.layers.map(KeptUnits.all)).withLayers { index in
      var layer = try model.layer(index)
      if index == 1 {
        for part in [LayerPart.output, .down] {
          layer[part].weight = Matrix(rows: layer[part].outputs, columns: layer[part].inputs)
        }
      }
      return layer
    }
    let without = try MoDeGPT.blockInfluence(of: silent, on: bench.windows())
    #expect(abs(without[1]) < 1e-6 && abs(without[0] - influence[0]) < 1e-9)
  }
}
