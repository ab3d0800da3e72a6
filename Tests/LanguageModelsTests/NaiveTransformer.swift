import Foundation
import LinearAlgebra

@testable import LanguageModels

/// The forward pass written out in double precision, one loop after another, straight from the formulas.
struct NaiveTransformer {
  let network: any Network
  /// Angular frequencies of each kind of attention; computed by each test that checks a scaling.
  let frequencies: [[Double]]
  /// Whether the factors of all products are rounded to bfloat16 first.
  var isRounding = false
  /// Whether that is so of queries and of attention's weights, too.
  var roundsAttention = true

  /// - Parameter frequencies: those of the first kind of attention, if a test has computed them.
  init(_ network: any Network, frequencies: [Double]? = nil) {
    self.network = network
    let configuration = network.configuration
    var all = configuration.block.attention.map {
      $0.rotary.frequencies(headDimension: configuration.headDimension).map(Double.init)
    }
    if let frequencies { all[0] = frequencies }
    self.frequencies = all
  }

  /// Logits at every position of one sequence.
  func logits(_ tokens: [Int32]) throws -> [[Double]] {
    try hiddenStates(tokens).map { hidden in
      apply(Linear(weight: network.head), hidden).map { capped($0, network.configuration.logitCap) }
    }
  }

  func capped(_ x: Double, _ cap: Float?) -> Double { cap.map { Double($0) * tanh(x / Double($0)) } ?? x }

  /// Hidden states after the final norm at every position of one sequence.
  func hiddenStates(_ tokens: [Int32]) throws -> [[Double]] {
    let configuration = network.configuration
    var x = tokens.map { row(network.embedding, Int($0)).map { $0 * Double(configuration.embeddingScale) } }
    for (index, shape) in configuration.layers.enumerated() {
      let weights = try network.layer(index)
      if shape.kvHeads > 0 {
        let context = attention(x.map { norm($0, weights.attentionNorm) }, weights, shape)
        for i in x.indices { x[i] = sum(x[i], output(.attention, weights, context[i])) }
      }
      if shape.mlpChannels > 0 {
        for i in x.indices { x[i] = sum(x[i], output(.mlp, weights, mlpHidden(weights, x[i]))) }
      }
    }
    return x.map { norm($0, network.finalNorm) }
  }

  func mlpHidden(_ weights: LayerWeights, _ x: [Double]) -> [Double] {
    let normed = norm(x, weights.mlpNorm)
    let hidden = zip(apply(weights.gate, normed), apply(weights.up, normed)).map(activation)
    guard let experts = network.configuration.block.experts else { return hidden }
    let shares = shares(apply(weights[.router], normed), experts)
    return shares.enumerated().flatMap { expert, share in
      hidden[experts.range(of: expert)].map { $0 * share } + (weights.hasExpertBiases ? [share] : [])
    }
  }

  /// The weight of each expert, from the router's scores: zero for those that the token does not use.
  func shares(_ scores: [Double], _ experts: ExpertRouting) -> [Double] {
    let chosen = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(experts.perToken)
    let all = experts.renormalises ? Array(chosen) : Array(scores.indices)
    let sum = all.reduce(0) { $0 + Foundation.exp(scores[$1] - scores[chosen[0]]) }
    return scores.indices.map { chosen.contains($0) ? Foundation.exp(scores[$0] - scores[chosen[0]]) / sum : 0 }
  }

  private func activation(_ x: Double, _ up: Double) -> Double {
    switch network.configuration.block.activation {
    case .silu: return up * x / (1 + Foundation.exp(-x))
    case .gelu: return up * x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .clamped(let limit, let alpha):
      let (limit, alpha) = (Double(limit), Double(alpha))
      let (gate, factor) = (min(x, limit), max(-limit, min(up, limit)))
      return gate / (1 + Foundation.exp(-alpha * gate)) * (factor + 1)
    }
  }

  /// What a module adds to the stream.
  func output(_ module: LayerPart.Module, _ weights: LayerWeights, _ activations: [Double]) -> [Double] {
    norm(apply(weights[toStream: module], activations), weights[gain: module.postNorm])
  }

  private func factor(_ x: Double) -> Double {
    if !isRounding { return x }
    var single = Float(x)
    Kernels.roundToBfloat16(&single, count: 1)
    return Double(single)
  }

  private func attentionFactor(_ x: Double) -> Double { roundsAttention ? factor(x) : x }

  func attention(_ x: [[Double]], _ weights: LayerWeights, _ shape: LayerShape) -> [[Double]] {
    let (configuration, dimension) = (network.configuration, network.configuration.headDimension)
    let scale = configuration.block.scoreScale.map(Double.init) ?? 1 / sqrt(Double(dimension))
    func placed(_ x: [Double], _ part: LayerPart, _ norms: [LayerPart], at position: Int) -> [Double] {
      let normed = norms.reduce(apply(weights[part], x)) { normHeads($0, weights[gain: $1]) }
      return rotate(normed, at: position, weights.attentionKind)
    }
    let query = x.enumerated().map {
      placed($1, .query, [.queryNorm, .allQueriesNorm], at: $0).map { attentionFactor($0 * scale) }
    }
    let key = x.enumerated().map { placed($1, .key, [.keyNorm, .allKeysNorm], at: $0).map(factor) }
    let value = x.map { apply(weights.value, $0).map(factor) }
    let shared = shape.queryHeads / shape.kvHeads
    return x.indices.map { i in
      let first = configuration.block.attention[weights.attentionKind].window.map { max(0, i - $0 + 1) } ?? 0
      return (0..<shape.queryHeads).flatMap { head -> [Double] in
        let (q, k) = (head * dimension, head / shared * dimension)
        let scores = (first...i).map { j -> Double in
          let score = (0..<dimension).reduce(0) { $0 + query[i][q + $1] * key[j][k + $1] }
          return Foundation.exp(capped(score, configuration.block.scoreCap))
        }
        let sinks = weights[gain: .sinks]
        let total = scores.reduce(sinks.isEmpty ? 0 : Foundation.exp(Double(sinks[head])), +)
        return (0..<dimension).map { d in
          zip(first...i, scores).reduce(0) { $0 + attentionFactor($1.1 / total) * value[$1.0][k + d] }
        }
      }
    }
  }

  func rotate(_ row: [Double], at position: Int, _ kind: Int) -> [Double] {
    let form = network.configuration.block.attention[kind]
    if !form.isTurned { return row }
    let (dimension, factor) = (network.configuration.headDimension, Double(form.rotary.attentionFactor))
    let half = dimension / 2
    return row.indices.map { place in
      let (start, d) = (place / dimension * dimension, place % dimension)
      let angle = Double(position) * frequencies[kind][d % half]
      let (cosine, sine) = (factor * cos(angle), factor * sin(angle))
      return d < half
        ? row[place] * cosine - row[start + d + half] * sine : row[place] * cosine + row[start + d - half] * sine
    }
  }

  /// As many values at once as there are gains, if there are any.
  private func normHeads(_ x: [Double], _ gain: [Float]) -> [Double] {
    if gain.isEmpty { return x }
    return stride(from: 0, to: x.count, by: gain.count).flatMap { norm(Array(x[$0..<$0 + gain.count]), gain) }
  }

  func norm(_ x: [Double], _ gain: [Float]) -> [Double] {
    if gain.isEmpty { return x }
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
