import Foundation
import LinearAlgebra

@testable import LanguageModels

/// The forward pass written out in double precision, one loop after another, straight from the formulas.
struct NaiveTransformer {
  let network: any Network
  /// Angular frequencies; computed by each test that checks a scaling.
  let frequencies: [Double]
  /// Whether the factors of all products are rounded to bfloat16 first.
  var isRounding = false
  /// Whether that is so of queries and of attention's weights, too.
  var roundsAttention = true

  init(_ network: any Network, frequencies: [Double]? = nil) {
    self.network = network
    let configuration = network.configuration
    let dimension = configuration.headDimension
    self.frequencies =
      frequencies
      ?? (0..<dimension / 2).map { 1 / Foundation.pow(configuration.rotary.theta, Double(2 * $0) / Double(dimension)) }
  }

  /// Logits at every position of one sequence.
  func logits(_ tokens: [Int32]) throws -> [[Double]] {
    try hiddenStates(tokens).map { apply(Linear(weight: network.head), $0) }
  }

  /// Hidden states after the final norm at every position of one sequence.
  func hiddenStates(_ tokens: [Int32]) throws -> [[Double]] {
    let configuration = network.configuration
    var x = tokens.map { row(network.embedding, Int($0)) }
    for (index, shape) in configuration.layers.enumerated() {
      let weights = try network.layer(index)
      if shape.kvHeads > 0 {
        let context = attention(x.map { norm($0, weights.attentionNorm) }, weights, shape)
        for i in x.indices { x[i] = sum(x[i], apply(weights.output, context[i])) }
      }
      if shape.mlpChannels > 0 {
        for i in x.indices {
          let normed = norm(x[i], weights.mlpNorm)
          let gate = apply(weights.gate, normed).map { $0 / (1 + Foundation.exp(-$0)) }
          let hidden = zip(gate, apply(weights.up, normed)).map { $0 * $1 }
          x[i] = sum(x[i], apply(weights.down, hidden))
        }
      }
    }
    return x.map { norm($0, network.finalNorm) }
  }

  private func factor(_ x: Double) -> Double {
    if !isRounding { return x }
    var single = Float(x)
    Kernels.roundToBfloat16(&single, count: 1)
    return Double(single)
  }

  private func attentionFactor(_ x: Double) -> Double { roundsAttention ? factor(x) : x }

  func attention(_ x: [[Double]], _ weights: LayerWeights, _ shape: LayerShape) -> [[Double]] {
    let dimension = network.configuration.headDimension
    let scale = 1 / sqrt(Double(dimension))
    let query = x.enumerated().map {
      rotate(normHeads(apply(weights.query, $1), weights[gain: .queryNorm]), at: $0).map { attentionFactor($0 * scale) }
    }
    let key = x.enumerated().map {
      rotate(normHeads(apply(weights.key, $1), weights[gain: .keyNorm]), at: $0).map(factor)
    }
    let value = x.map { apply(weights.value, $0).map(factor) }
    let shared = shape.queryHeads / shape.kvHeads
    return x.indices.map { i in
      let first = network.configuration.slidingWindow.map { max(0, i - $0 + 1) } ?? 0
      return (0..<shape.queryHeads).flatMap { head -> [Double] in
        let (q, k) = (head * dimension, head / shared * dimension)
        let scores = (first...i).map { j in
          Foundation.exp((0..<dimension).reduce(0) { $0 + query[i][q + $1] * key[j][k + $1] })
        }
        let total = scores.reduce(0, +)
        return (0..<dimension).map { d in
          zip(first...i, scores).reduce(0) { $0 + attentionFactor($1.1 / total) * value[$1.0][k + d] }
        }
      }
    }
  }

  func rotate(_ row: [Double], at position: Int) -> [Double] {
    let dimension = network.configuration.headDimension
    let half = dimension / 2
    return row.indices.map { place in
      let (start, d) = (place / dimension * dimension, place % dimension)
      let angle = Double(position) * frequencies[d % half]
      return d < half
        ? row[place] * cos(angle) - row[start + d + half] * sin(angle)
        : row[place] * cos(angle) + row[start + d - half] * sin(angle)
    }
  }

  /// Every head for itself, where there are gains.
  private func normHeads(_ x: [Double], _ gain: [Float]) -> [Double] {
    if gain.isEmpty { return x }
    return stride(from: 0, to: x.count, by: gain.count).flatMap { norm(Array(x[$0..<$0 + gain.count]), gain) }
  }

  func norm(_ x: [Double], _ gain: [Float]) -> [Double] {
    let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
    return zip(x, gain).map { $0 / sqrt(mean + Double(network.configuration.normEpsilon)) * Double($1) }
  }

  func apply(_ linear: Linear, _ x: [Double]) -> [Double] {
    let x = x.map(factor)
    return (0..<linear.outputs).map { output in
      let weights = linear.weight.row(output)
      return x.indices.reduce(Double(linear.bias?[output] ?? 0)) { $0 + factor(Double(weights[$1])) * x[$1] }
    }
  }

  func row(_ matrix: Matrix<Float>, _ index: Int) -> [Double] {
    (0..<matrix.columns).map { Double(matrix[index, $0]) }
  }

  func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
}
