import Calibration
import Importance
import LinearAlgebra
import Search
import Subnets
import Testing

@testable import LanguageModels
@testable import Reformation

/// Errors and repair of mixtures of experts, measured on the stream.
@Suite struct ExpertRepairTests {
  private static let kept = 2

  private func layer(_ fixture: Fixture) throws -> (LanguageModel, ScoredLayer, TokenWindows) {
    let model = try fixture.model()
    let windows = TokenWindows(length: 30, tokens: someTokens(900, below: model.configuration.vocabularySize))
    let statistics = try GatheredStatistics(model, windows, name: "set")
    return (model, try ScoredLayer(1, of: model, for: nil, statistics: statistics), windows)
  }

  /// The curve is the sum of what the experts left out would have added, each by itself.
  @Test(arguments: Fixture.withExperts) func curvesAddUpWhatIsLeftOut(fixture: Fixture) throws {
    let (model, scored, windows) = try layer(fixture)
    let ranking = try ImportanceRegistry.named("greedy").finiteScores(of: scored).ranking
    let ranked = try RankedLayer(scored, ranking: ranking, repair: .nested, damping: 1e-6)
    let curve = try #require(ranked.errors().mlp)
    let pass = ForwardPass(windows)
    let (hidden, runner) = (try pass.embed(model), pass.runner(for: model))
    try runner.run(layer: 0, weights: model.layer(0), hidden)
    let weights = scored.weights
    try runner.add(weights.output, of: runner.inputs(of: .attention, layer: weights, hidden), to: hidden)
    let inputs = try runner.inputs(of: .mlp, layer: weights, hidden)
    let width = weights.activationsPerUnit
    let errors = ranking.channels.map { expert in
      let own = expert * width..<(expert + 1) * width
      let output = Matrix<Float>(rows: inputs.rows, columns: weights.down.outputs)
      Linear(weight: weights[toStream: .mlp].weight.columns(own)).apply(inputs.columns(own), into: output)
      return output.elements.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(output.rows)
    }
    // The least important go first.
    #expect(errors == errors.sorted(by: >) && curve.count == errors.count + 1)
    for kept in curve.indices {
      let expected = errors.dropFirst(kept).reduce(0, +)
      #expect(abs(curve[kept] - expected) <= 1e-4 * errors[0], "\(kept)")
    }
    // What stays is inherited as it is: which tokens it will get no statistics tell.
    let made = ranked.weights(groups: scored.shape.kvHeads, channels: Self.kept)
    for (place, expert) in ranking.channels.prefix(Self.kept).enumerated() {
      func range(_ expert: Int, _ width: Int) -> Range<Int> { expert * width..<(expert + 1) * width }
      let channels = weights.channelsPerUnit
      let (own, there) = (range(expert, channels), range(place, channels))
      #expect(
        made[toStream: .mlp].weight.columns(range(place, width)).elements
          == weights[toStream: .mlp].weight.columns(range(expert, width)).elements)
      #expect(made.gate.weight.rows(there).elements == weights.gate.weight.rows(own).elements)
      #expect(
        made[.router].weight.rows(place..<place + 1).elements
          == weights[.router].weight.rows(expert..<expert + 1).elements)
    }
  }

  /// In the metric of the loss the same with `½·δᵀSδ` for the square.
  @Test(arguments: Fixture.withExperts) func lossErrorsWeighTheOutputs(fixture: Fixture) throws {
    let (_, scored, _) = try layer(fixture)
    let size = scored.weights.down.outputs
    let identity = Matrix<Float>(rows: size, columns: size)
    for i in 0..<size { identity[i, i] = 2 }
    let ranked = try RankedLayer(
      scored, ranking: ImportanceRegistry.named("greedy").finiteScores(of: scored).ranking, repair: .nested,
      damping: 1e-6)
    let (plain, weighted) = (
      try #require(ranked.errors().mlp), try #require(ranked.errors(.init(attention: identity, mlp: identity)).mlp)
    )
    for (a, b) in zip(plain, weighted) { #expect(abs(a - b) <= 1e-5 * plain[0]) }
  }

  /// Each expert's down projection is fitted to the tokens that it gets in the subnet: the stream comes nearer to the dense
  /// one on tokens that it was not fitted to, and on its own tokens no small change makes it better.
  @Test(arguments: Fixture.withExperts) func expertsAreFittedToTheirTokens(fixture: Fixture) throws {
    let model = try fixture.model()
    let (configuration, vocabulary) = (model.configuration, model.configuration.vocabularySize)
    let calibration = TokenWindows(length: 20, tokens: someTokens(4000, below: vocabulary))
    let heldOut = TokenWindows(length: 20, tokens: someTokens(600, below: vocabulary, seed: 2))
    // The first layer alone loses experts, so that all else is as in the dense network.
    let units = configuration.layers.enumerated().map { index, shape in
      KeptUnits(
        groups: Array(0..<shape.kvHeads),
        channels: Array(0..<(index == 0 ? shape.mlpChannels - 1 : shape.mlpChannels)))
    }
    let before = Subnet(of: model, keeping: units)
    var options = SequentialReformation.Options()
    (options.scope, options.tokens, options.dampings) = (.pruned, .equal, [1e-9])
    let result = try SequentialReformation(
      parent: model, subnet: before, calibration: calibration, heldOut: heldOut, options: options)
    let steps = result.steps.filter { $0.module.hasPrefix("expert") }
    #expect(steps.count >= units[0].channels.count && steps.contains { $0.damping != nil })
    let after = result.subnet(of: before)
    func error(_ weights: LayerWeights, _ windows: TokenWindows) throws -> Double {
      let pass = ForwardPass(windows)
      let (dense, runner) = (try pass.embed(model), pass.runner(for: model))
      let whole = try model.layer(0)
      try runner.add(whole.output, of: runner.inputs(of: .attention, layer: whole, dense), to: dense)
      let pruned = dense.copy()
      try runner.add(whole[toStream: .mlp], from: .mlp, of: runner.inputs(of: .mlp, layer: whole, dense), to: dense)
      let made = pass.runner(for: before)
      try made.add(weights[toStream: .mlp], from: .mlp, of: made.inputs(of: .mlp, layer: weights, pruned), to: pruned)
      return zip(dense.elements, pruned.elements).reduce(0.0) {
        $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
      } / Double(dense.rows)
    }
    let (start, end) = (try before.layer(0), try after.layer(0))
    #expect(try error(end, heldOut) < 0.97 * error(start, heldOut))
    let fitted = try error(end, calibration)
    #expect(try fitted < 0.97 * error(start, calibration))
    // Whatever was kept or fitted: gate, up and router are the parent's.
    #expect(end.gate.weight.elements == start.gate.weight.elements)
    #expect(end[.router].weight.elements == start[.router].weight.elements)
  }
}
