import LanguageModels
import LinearAlgebra
import Testing

@testable import Calibration
@testable import Importance

private func expectClose(
  _ found: [Float], _ expected: [Double], sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
  for (x, y) in zip(found, expected) {
    #expect(abs(Double(x) - y) <= 1e-5 * abs(y) && y != 0, "\(x), \(y)", sourceLocation: sourceLocation)
  }
}

@Suite struct FormulaTests {
  private let tiny = Tiny()

  private func magnitude(_ matrix: Matrix<Float>, column: Int) -> Double {
    (0..<matrix.rows).reduce(0) { $0 + abs(Double(matrix[$1, column])) }
  }

  private func square(_ matrix: Matrix<Float>, column: Int) -> Double {
    (0..<matrix.rows).reduce(0) { $0 + Double(matrix[$1, column]) * Double(matrix[$1, column]) }
  }

  private func square(_ matrix: Matrix<Float>, row: Int) -> Double {
    (0..<matrix.columns).reduce(0) { $0 + Double(matrix[row, $1]) * Double(matrix[row, $1]) }
  }

  @Test(arguments: Tiny.Norms.allCases) func wandaSumsMagnitudesTimesNorms(norms: Tiny.Norms) {
    let tiny = Tiny(norms: norms)
    let scores = WandaSP().scores(of: tiny.layer)
    let (output, down, statistics) = (tiny.toStream(.attention), tiny.toStream(.mlp), tiny.statistics)
    expectClose(
      scores.channels,
      (0..<5).map { magnitude(down, column: $0) * Double(statistics.hiddenGram[$0, $0]).squareRoot() })
    expectClose(
      scores.groups,
      (0..<3).map { group in
        tiny.columns(of: group).reduce(0) {
          $0 + magnitude(output, column: $1) * Double(statistics.contextGram[$1, $1]).squareRoot()
        }
      })
  }

  @Test(arguments: Tiny.Norms.allCases) func bipPropagatesToTheOutputOfTheBlock(norms: Tiny.Norms) {
    let tiny = Tiny(norms: norms)
    let scores = LLMBIP().scores(of: tiny.layer)
    let (weights, statistics) = (tiny.weights, tiny.statistics)
    let down = (0..<5).map { magnitude(tiny.toStream(.mlp), column: $0) }
    let output = tiny.toStream(.attention)
    // A norm behind the MLP divides what comes through it by its size, 1.7 the mean of one over its square.
    let divided = norms == .before ? 1 : 1.7.squareRoot()
    expectClose(scores.channels, (0..<5).map { down[$0] * Double(statistics.hiddenMagnitude[$0]) })
    let propagation = (0..<7).map { i in
      1
        + divided * (norms == .behind ? 1 : abs(Double(weights.mlpNorm[i])))
        * (0..<5).reduce(0) { sum, channel in
          let inputs = abs(Double(weights.gate.weight[channel, i])) + abs(Double(weights.up.weight[channel, i]))
          return sum + inputs / 2 * down[channel]
        }
    }
    expectClose(
      scores.groups,
      (0..<3).map { group in
        tiny.columns(of: group).reduce(0) { sum, column in
          let reach = (0..<7).reduce(0) { $0 + abs(Double(output[$1, column])) * propagation[$1] }
          return sum + reach * Double(statistics.contextMagnitude[column])
        }
      })
  }

  @Test func magnitudeSumsEverythingThatGoes() {
    let scores = Magnitude(.l2).scores(of: tiny.layer)
    let weights = tiny.weights
    expectClose(
      scores.channels,
      (0..<5).map {
        square(weights.gate.weight, row: $0) + square(weights.up.weight, row: $0)
          + square(weights.down.weight, column: $0)
      })
    expectClose(
      scores.groups,
      (0..<3).map { group in
        let queries = tiny.columns(of: group).reduce(0) {
          $0 + square(weights.query.weight, row: $1) + square(weights.output.weight, column: $1)
        }
        return (group * 2..<group * 2 + 2).reduce(queries) {
          $0 + square(weights.key.weight, row: $1) + square(weights.value.weight, row: $1)
        }
      })
  }

  @Test func randomDependsOnSeedAndLayerOnly() {
    let scores = RandomImportance().scores(of: tiny.layer)
    #expect(scores.groups.count == 3 && scores.channels.count == 5)
    #expect((scores.groups + scores.channels).allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(Set(scores.groups + scores.channels).count == 8)
    #expect(RandomImportance().scores(of: Tiny(seed: 2).layer) == scores)
    #expect(RandomImportance(seed: 1).scores(of: tiny.layer) != scores)
    #expect(RandomImportance().scores(of: Tiny(index: 1).layer) != scores)
  }

  /// A unit that does nothing scores lowest with every score that looks at the weights.
  @Test(arguments: ["wanda-sp", "llm-bip", "magnitude-l1", "magnitude-l2", "obs", "flap", "greedy", "obs-loss"])
  func unitsOfZerosComeLast(name: String) throws {
    var weights = tiny.weights
    weights.output.weight = weights.output.weight.copy()
    weights.down.weight = weights.down.weight.copy()
    for i in 0..<7 {
      for column in tiny.columns(of: 1) { weights.output.weight[i, column] *= 1e-4 }
      weights.down.weight[i, 3] *= 1e-4
    }
    weights.query.weight = weights.query.weight.copy()
    weights.key.weight = weights.key.weight.copy()
    weights.value.weight = weights.value.weight.copy()
    weights.gate.weight = weights.gate.weight.copy()
    weights.up.weight = weights.up.weight.copy()
    weights.query.weight.rows(4..<8).fill(0)
    weights.key.weight.rows(2..<4).fill(0)
    weights.value.weight.rows(2..<4).fill(0)
    weights.gate.weight.rows(3..<4).fill(0)
    weights.up.weight.rows(3..<4).fill(0)
    let layer = ScoredLayer(
      index: 0, shape: tiny.shape, headDimension: 2, weights: weights, statistics: tiny.statistics,
      saliencies: Tiny.saliencies(weights))
    let ranking = try ImportanceRegistry.named(name).scores(of: layer).ranking
    #expect(ranking.groups.last == 1 && ranking.channels.last == 3)
  }

  /// A layer that has lost a part has no scores for it.
  @Test func missingPartsHaveNoScores() throws {
    let weights = tiny.weights.mapProjections { part, linear in
      if part.module == .mlp { return linear }
      let isOutput = part.writesToStream
      return Linear(weight: Matrix(rows: isOutput ? 7 : 0, columns: isOutput ? 0 : 7))
    }
    var statistics = tiny.statistics
    statistics.contextGram = Matrix(rows: 0, columns: 0)
    statistics.contextMagnitude = []
    statistics.contextMean = []
    var saliencies = Tiny.saliencies(tiny.weights)
    let none = Saliencies(vector: [], first: [], second: [], mixed: [])
    (saliencies.query, saliencies.key, saliencies.value, saliencies.output) = (none, none, none, none)
    let layer = ScoredLayer(
      index: 0, shape: LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 5), headDimension: 2, weights: weights,
      statistics: statistics, saliencies: saliencies)
    for score in ImportanceRegistry.all {
      let scores = try score.scores(of: layer)
      #expect(scores.groups == [], "\(score.name)")
      #expect(scores.channels == (try score.scores(of: tiny.layer).channels) || score.name == "random")
      #expect(scores.channels.count == 5)
    }
  }
}

@Suite struct RankingTests {
  @Test func foldsContiguousColumns() {
    let tiny = Tiny()
    let powers = (0..<12).map { Float(1 << $0) }
    #expect(tiny.layer.foldColumns(powers) == [15, 240, 3840])
  }

  @Test func largestFirstAndTiesKeepTheLowerIndex() {
    let scores = UnitScores(groups: [1, 3, 2, 3, 1], channels: [0, -1, 0, 5, -0.0])
    #expect(scores.ranking == UnitRanking(groups: [1, 3, 2, 0, 4], channels: [3, 0, 2, 4, 1]))
    let equal = UnitScores(groups: Array(repeating: 2, count: 100), channels: [])
    #expect(equal.ranking == UnitRanking(groups: Array(0..<100), channels: []))
  }

  @Test func rankingIsAPermutation() {
    var random = SeededGenerator(seed: 8)
    let scores = UnitScores(
      groups: (0..<17).map { _ in Float(random.unit()) }, channels: (0..<300).map { _ in Float(random.unit()) })
    let ranking = scores.ranking
    #expect(ranking.groups.sorted() == Array(0..<17) && ranking.channels.sorted() == Array(0..<300))
    let ordered = ranking.channels.map { scores.channels[$0] }
    #expect(ordered == ordered.sorted(by: >))
  }
}

@Suite struct RegistryTests {
  @Test func findsEveryScoreByItsName() throws {
    let names = ImportanceRegistry.all.map(\.name)
    #expect(Set(names).count == names.count && Set(names).isSuperset(of: ["wanda-sp", "llm-bip", "random"]))
    for score in ImportanceRegistry.all {
      #expect(try ImportanceRegistry.named(score.name).name == score.name)
      #expect(!score.summary.isEmpty && !score.source.isEmpty)
    }
  }

  @Test func unknownNameListsTheKnownOnes() {
    let error = ImportanceError.unknownScore(name: "wanda", known: ImportanceRegistry.all.map(\.name))
    #expect(throws: error) { try ImportanceRegistry.named("wanda") }
    #expect(error.description.contains("'wanda'") && error.description.contains("wanda-sp, flap"))
    #expect(ImportanceError.notFinite(score: "x", layer: 3).description == "score 'x' of layer 3 is not finite")
  }
}
