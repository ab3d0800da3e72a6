import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

@Suite struct DampingChoiceTests {
  private let model: LanguageModel

  init() throws { model = try Fixture.mistralGQA.model() }

  private func windows(_ count: Int, seed: UInt64) -> TokenWindows {
    TokenWindows(length: 20, tokens: someTokens(20 * count, below: 320, seed: seed))
  }

  private func choice(_ calibration: TokenWindows, _ heldOut: TokenWindows) throws -> DampingChoice {
    try DampingChoice(
      of: model, statistics: GatheredStatistics(model, calibration, name: "a"), heldOut: heldOut)
  }

  /// The errors are those of projections that are cut, repaired and run on the held-out tokens.
  @Test func errorsAreMeasuredOnHeldOutTokens() throws {
    let (calibration, heldOut) = (windows(30, seed: 1), windows(10, seed: 2))
    let found = try choice(calibration, heldOut)
    let statistics = try GatheredStatistics(model, calibration, name: "a")
    let pass = ForwardPass(heldOut)
    for (damping, error) in zip(DampingChoice.candidates, found.errors) {
      let hidden = try pass.embed(model)
      let runner = pass.runner(for: model)
      var (sum, count) = (0.0, 0.0)
      for index in model.configuration.layers.indices {
        let layer = try ScoredLayer(index, of: model, for: WandaSP(), statistics: statistics)
        let shape = layer.shape
        let ranked = try RankedLayer(
          layer, ranking: WandaSP().scores(of: layer).ranking, repair: .nested, damping: damping)
        let cut = ranked.weights(groups: max(1, shape.kvHeads * 3 / 4), channels: max(1, shape.mlpChannels * 3 / 4))
        func compare(_ whole: Matrix<Float>, _ part: Matrix<Float>) {
          let error = zip(whole.elements, part.elements).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
          sum += log(error / whole.elements.reduce(0.0) { $0 + Double($1 * $1) })
          count += 1
        }
        func output(_ projection: Linear, _ inputs: Matrix<Float>) -> Matrix<Float> {
          let result = Matrix<Float>(rows: inputs.rows, columns: projection.outputs)
          Linear(weight: projection.weight).apply(inputs, into: result)
          return result
        }
        let weights = layer.weights
        if shape.kvHeads > 1 {
          compare(
            output(weights.output, try runner.inputs(of: .attention, layer: weights, hidden)),
            output(cut.output, try runner.inputs(of: .attention, layer: cut, hidden)))
        }
        try runner.add(weights.output, of: runner.inputs(of: .attention, layer: weights, hidden), to: hidden)
        let inner = try runner.inputs(of: .mlp, layer: weights, hidden)
        compare(output(weights.down, inner), output(cut.down, try runner.inputs(of: .mlp, layer: cut, hidden)))
        try runner.add(weights.down, of: inner, to: hidden)
      }
      #expect(abs(error / exp(sum / count) - 1) < 1e-3, "damping \(damping)")
    }
    #expect(found.damping == zip(found.errors, DampingChoice.candidates).min { $0.0 < $1.0 }?.1)
  }

  /// What is left of the choice's forward pass makes another one needless.
  @Test func residualIsThatBehindTheLastLayer() throws {
    let heldOut = windows(10, seed: 2)
    let found = try choice(windows(30, seed: 1), heldOut)
    let pass = ForwardPass(heldOut)
    let expected = try pass.hiddenStates(of: model).elements
    #expect(try pass.hiddenStates(of: model, residual: found.residual).elements == expected)
  }

  /// Fewer tokens than inputs ask for more damping than many do.
  @Test func fewTokensAskForMore() throws {
    let heldOut = windows(30, seed: 2)
    let (few, many) = (try choice(windows(2, seed: 1), heldOut), try choice(windows(100, seed: 1), heldOut))
    #expect(few.damping > many.damping, "\(few.errors), \(many.errors)")
    // With few tokens the weakest damping fits noise.
    #expect(few.errors[0] > few.errors.min() ?? 0)
  }

  @Test func activationsThatAreNotFiniteAreAnError() throws {
    var statistics = try GatheredStatistics(model, windows(3, seed: 1), name: "a")
    statistics.layers = statistics.layers.map { layer in
      var broken = layer
      for gram in [\LayerStatistics.contextGram, \.hiddenGram] {
        broken[keyPath: gram] = broken[keyPath: gram].copy()
        broken[keyPath: gram][0, 0] = .nan
      }
      return broken
    }
    #expect(throws: (any Error).self) {
      try DampingChoice(of: model, statistics: statistics, heldOut: windows(3, seed: 2))
    }
  }
}
