import LinearAlgebra
import Testing

@testable import Calibration
@testable import Importance
@testable import LanguageModels

/// The scores from gradients against their formulas, weight by weight in double precision.
@Suite struct SaliencyScoreTests {
  private let tiny = Tiny()

  /// One value a weight.
  private func salience(_ kind: LLMPruner.Kind, _ weight: Float, _ slope: Float, _ square: Float) -> Double {
    let (w, g, f) = (Double(weight), Double(slope), Double(square))
    return switch kind {
    case .vector: w * g
    case .first: abs(w * g)
    case .second: w * w * f
    case .mixed: abs(w * g - w * w * f / 2)
    }
  }

  /// Every matrix's values by channel: for attention `[group][place in head]`, queries of the group added up.
  private func channels(_ kind: LLMPruner.Kind) -> (attention: [[[Double]]], mlp: [[Double]]) {
    let (first, squares) = Tiny.gradients(tiny.weights)
    func row(_ linear: Linear, _ g: LayerGradients.Projection, _ f: LayerGradients.Projection, _ i: Int) -> Double {
      let sum = (0..<linear.inputs).reduce(0.0) {
        $0 + salience(kind, linear.weight[i, $1], g.weight[i, $1], f.weight[i, $1])
      }
      return abs(sum)
    }
    func column(_ linear: Linear, _ g: LayerGradients.Projection, _ f: LayerGradients.Projection, _ j: Int) -> Double {
      let sum = (0..<linear.outputs).reduce(0.0) {
        $0 + salience(kind, linear.weight[$1, j], g.weight[$1, j], f.weight[$1, j])
      }
      return abs(sum)
    }
    let w = tiny.weights
    let attention = (0..<3).map { group in
      (0..<2).map { place in
        // Query heads 2g and 2g + 1 belong to group g; heads have two rows.
        let rows = [2 * group, 2 * group + 1].map { 2 * $0 + place }
        return [
          rows.reduce(0) { $0 + row(w.query, first.query, squares.query, $1) },
          row(w.key, first.key, squares.key, 2 * group + place),
          row(w.value, first.value, squares.value, 2 * group + place),
          rows.reduce(0) { $0 + column(w.output, first.output, squares.output, $1) },
        ]
      }
    }
    let mlp = (0..<5).map { channel in
      [
        row(w.gate, first.gate, squares.gate, channel), row(w.up, first.up, squares.up, channel),
        column(w.down, first.down, squares.down, channel),
      ]
    }
    return (attention, mlp)
  }

  private func aggregate(_ values: [Double], _ aggregation: LLMPruner.Aggregation, _ means: [Double]) -> Double {
    switch aggregation {
    case .sum: values.reduce(0, +)
    case .mean: values.reduce(0, +) / Double(values.count)
    case .max: values.max() ?? 0
    case .last: values[values.count - 1]
    case .product: zip(values, means).reduce(1) { $0 * $1.0 / $1.1 }
    }
  }

  @Test(arguments: LLMPruner.Kind.allCases, LLMPruner.Aggregation.allCases)
  func llmPruner(kind: LLMPruner.Kind, aggregation: LLMPruner.Aggregation) throws {
    let (attention, mlp) = channels(kind)
    func means(_ channels: [[Double]]) -> [Double] {
      (0..<channels[0].count).map { part in channels.reduce(0) { $0 + $1[part] } / Double(channels.count) }
    }
    let attentionMeans = means(attention.flatMap { $0 })
    let groups = attention.map { $0.reduce(0) { $0 + aggregate($1, aggregation, attentionMeans) } }
    let found = try LLMPruner(kind, aggregation: aggregation).scores(of: tiny.layer)
    for (score, expected) in zip(found.groups, groups) { #expect(abs(Double(score) / expected - 1) < 1e-4) }
    for (score, channel) in zip(found.channels, mlp) {
      #expect(abs(Double(score) / aggregate(channel, aggregation, means(mlp)) - 1) < 1e-4)
    }
  }

  @Test func nirvanaSumsMagnitudesOverTheUnit() throws {
    let (attention, mlp) = channels(.first)
    let found = try NIRVANA().scores(of: tiny.layer)
    for (score, group) in zip(found.groups, attention) {
      #expect(abs(Double(score) / group.reduce(0) { $0 + $1.reduce(0, +) } - 1) < 1e-4)
    }
    for (score, channel) in zip(found.channels, mlp) { #expect(abs(Double(score) / channel.reduce(0, +) - 1) < 1e-4) }
  }

  @Test func namesCarryTheAggregation() throws {
    #expect(LLMPruner(.first).name == "llm-pruner-first")
    #expect(try ImportanceRegistry.named("llm-pruner-mix:product").name == "llm-pruner-mix:product")
    for name in ["llm-pruner-third", "llm-pruner-first:", "llm-pruner-first:min", "llm-pruner-first:max:max"] {
      #expect(throws: ImportanceError.self) { try ImportanceRegistry.named(name) }
    }
  }

  @Test func withoutGradientsTheyRefuse() {
    let layer = ScoredLayer(
      index: 0, shape: tiny.shape, headDimension: 2, weights: tiny.weights, statistics: tiny.statistics)
    for score in ImportanceRegistry.all where score.gradients != nil {
      #expect(throws: ImportanceError.noGradients(score: score.name)) { try score.scores(of: layer) }
    }
  }

  @Test func mixtureAddsRanks() throws {
    // Channels in order of importance by magnitude and by random numbers, weighed 3 to 1.
    let parts: [any Importance] = [Magnitude(.l2), RandomImportance()]
    let orders = try parts.map { try $0.scores(of: tiny.layer).ranking.channels }
    let found = try RankMixture([(Magnitude(.l2), 0.75), (RandomImportance(), 0.25)]).scores(of: tiny.layer)
    for channel in 0..<5 {
      let places = orders.map { Float($0.firstIndex(of: channel) ?? 0) }
      #expect(abs(found.channels[channel] - (0.75 * (1 - places[0] / 4) + 0.25 * (1 - places[1] / 4))) < 1e-6)
    }
    #expect(RankMixture([(LLMPruner(.first), 1), (WandaSP(), 0)]).gradients == .loss)
  }

  @Test func mixturesByName() throws {
    let name = "3*magnitude-l2+1*random"
    let found = try ImportanceRegistry.named(name)
    #expect(found.name == name)
    let made = try RankMixture([(Magnitude(.l2), 3), (RandomImportance(), 1)]).scores(of: tiny.layer)
    #expect(try found.scores(of: tiny.layer).channels == made.channels)
    #expect(try ImportanceRegistry.named("0.5*llm-pruner-first:max+0.5*flap").gradients == .loss)
    for bad in ["0*obs+1*flap", "obs*2", "-1*obs", "1*obs+", "nan*obs", "1*llm-pruner-first+1*obs-loss"] {
      #expect("\(bad)") {
        _ = try ImportanceRegistry.named(bad)
      } throws: {
        if case ImportanceError.invalidMixture(let name, _) = $0 { name == bad } else { false }
      }
    }
    #expect(throws: ImportanceError.self) { try ImportanceRegistry.named("1*obs+1*none") }
  }
}
