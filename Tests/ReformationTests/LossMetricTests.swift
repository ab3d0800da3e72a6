import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

/// The metric of the loss against the loss itself.
@Suite struct LossMetricTests {
  /// `½·tr(S·ΔW·H·ΔWᵀ)` is the divergence that a small change of a projection brings, to second order.
  ///
  /// At the last layer a token's error changes its own distribution only, so that the tokens' errors add up. The metric takes
  /// gradients and inputs for independent, and samples the gradients: a few percent. Where a norm stands behind the
  /// projection, the same without the norm's division is far from it.
  @Test(arguments: [Fixture.qwen2Bias, .graniteTied] + Fixture.behindNorms, LayerPart.Module.allCases)
  func isTheDivergenceOfSmallChanges(fixture: Fixture, module: LayerPart.Module) throws {
    let model = try fixture.model()
    let (length, last) = (24, model.configuration.layerCount - 1)
    let tokens = someTokens(80 * length, below: model.configuration.vocabularySize)
    let windows = TokenWindows(length: length, tokens: tokens)
    let statistics = try GatheredStatistics(model, windows, name: "set").layers[last]
    var moments: Matrix<Float>?
    try BackwardPass(windows).run(model, of: .sampledLoss, parts: .outputMoments) { layer in
      guard layer.index == last, let found = layer.outputMoments else { return }
      moments = (module == .attention ? found.attention : found.mlp).copy()
    }
    let gram = module == .attention ? statistics.contextGram : statistics.hiddenGram
    let weight = try model.layer(last)[module.output].weight
    let dense = try distributions(model, windows)
    var (measured, predicted) = (0.0, 0.0)
    for seed in 1...4 {
      let change = Matrix<Float>.random(weight.rows, weight.columns, seed: UInt64(seed))
      Kernels.scale(change.pointer, by: 0.02 * size(weight) / size(change), count: change.count)
      predicted += half(change, gram, try #require(moments))
      let moved = weight.copy()
      Kernels.add(change.pointer, to: moved.pointer, count: moved.count)
      let all = model.configuration.layers
      let network = Subnet(of: model, layers: all) { index in
        var layer = try model.layer(index)
        if index == last { layer[module.output].weight = moved }
        return layer
      }
      measured += try divergence(dense, distributions(network, windows))
    }
    // The last token of a window predicts nothing: its gradient is zero, and its share of the metric.
    let ratio = predicted / (measured * Double(length - 1) / Double(length))
    #expect(abs(ratio - 1) < 0.12, "\(ratio)")
  }

  private func size(_ x: Matrix<Float>) -> Float { Kernels.dot(x.pointer, x.pointer, count: x.count).squareRoot() }

  /// `½·tr(S·D·H·Dᵀ)`, by loops.
  private func half(_ d: Matrix<Float>, _ h: Matrix<Float>, _ s: Matrix<Float>) -> Double {
    let spread = Matrix<Double>(rows: d.rows, columns: d.columns)
    multiply(d.widened(), h.widened(), into: spread)
    var sum = 0.0
    for a in 0..<d.rows {
      for b in 0..<d.rows {
        sum += Double(s[a, b]) * (0..<d.columns).reduce(0.0) { $0 + Double(d[a, $1]) * spread[b, $1] } / 2
      }
    }
    return sum
  }
}

/// Logarithms of the probabilities of the tokens behind every position but the last of a window.
func distributions(_ network: some Network, _ windows: TokenWindows) throws -> [[Double]] {
  let hidden = try ForwardPass(windows).hiddenStates(of: network)
  let vocabulary = network.configuration.vocabularySize
  let logits = try network.outputHead(.single).logits(hidden, vocabulary: vocabulary)
  return (0..<hidden.rows).filter { $0 % windows.length < windows.length - 1 }.map { token in
    let row = (0..<vocabulary).map { Double(logits[token, $0]) }
    let largest = row.max() ?? 0
    let sum = log(row.reduce(0) { $0 + exp($1 - largest) }) + largest
    return row.map { $0 - sum }
  }
}

func divergence(_ p: [[Double]], _ q: [[Double]]) -> Double {
  zip(p, q).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) } } / Double(p.count)
}
