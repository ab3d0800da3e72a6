import Calibration
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets
import Workbench

/// The parts of MoDeGPT (arXiv 2408.09632) that these units allow: its Nyström compression of MLPs and its sparsity of layers.
///
/// - **MLP** (type I). With `C = E[x xᵀ]` of the down projection's input in the dense network, channels stay by their ridge
///   leverage scores `[C(C + λI)⁻¹]_ii`, the largest first, and the down projection becomes `W·C_·K·(C_KK)⁺`, with `K` the kept
///   channels. Instead of the pseudo-inverse a damping of 1e-6 is taken.
/// - **Layers**. With the block influence `s = 1 − E[cos(x, y)]` of a layer's input `x` and output `y` on the residual stream,
///   layer `l` loses the share `φ_l = L·φ·softmax(−s/ε)_l`; `φ` is found so that the parameters meet the budget.
/// - **Attention** is not MoDeGPT's: its type II (CR of query and key) and type III (SVD of value and output) reduce the
///   dimension of heads, which stays here. In their place KV groups go, `φ_l` of them rounded to a whole number, by the
///   sum of their inputs' leverage scores, and the output projection is fitted as the down projection is. With
///   `attention=whole` it is left alone, and only what is MoDeGPT's runs.
///
/// The formulas are those of the paper as its readers and two independent implementations give them. Its text could not be
/// read here, so the values of `λ` and `ε` by default are not verified: implementations take an absolute `λ` of 1e-4 or
/// 1e-2 and an `ε` of 0.015 to 1; here `λ` is a share of the mean diagonal of `C`.
struct MoDeGPT: PruningMethod {
  let name = "modegpt"
  let summary = "MLP by Nyström, layers by block influence; KV groups in place of CR and SVD; least-squares repair"
  let source = "MoDeGPT, arXiv 2408.09632 (MLP and allocation only)"
  let gradients: Set<BackwardPass.Scalar> = []

  enum Attention: String, CaseIterable { case groups, whole }

  struct Settings: MethodSettings {
    var ridge = 1e-2
    var temperature = 0.1
    var attention = Attention.groups

    static var fields: [SettingField<Self>] {
      [
        .number("ridge", \.ridge, 1e-9...1e6, "λ of the leverage scores as a share of the Gram's mean diagonal"),
        .number("temperature", \.temperature, 1e-6...1e6, "ε: the larger, the more alike the layers' shares"),
        .choice("attention", \.attention, Attention.allCases, "whether attention loses KV groups or stays whole"),
      ]
    }
  }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    try checkOneMLP(bench.configuration)
    let scores = try bench.scores(RidgeLeverage(ridge: settings.ridge), try bench.statistics())
    let influence = try bench.timed(.score) { try Self.blockInfluence(of: bench.model, on: bench.windows()) }
    let allocation = InfluenceAllocation(
      configuration: bench.configuration, influence: influence, temperature: settings.temperature,
      prunesAttention: settings.attention == .groups)
    guard let widths = allocation.widths(budget: budget) else {
      let dense = Double(bench.configuration.blockParameters)
      throw MethodError.impossibleBudget(
        method: name, keep: Double(budget) / dense,
        smallest: Double(bench.configuration.cost(allocation.narrowest)) / dense)
    }
    let units = bench.units(widths, scores)
    return PrunedModel(
      units: units, network: try bench.subnet(keeping: units, repair: .nested, damping: 1e-6), repair: .nested,
      decisions: ["block influence": influence.map { String(format: "%.4f", $0) }.joined(separator: ", ")])
  }

  /// `1 − E[cos(x, y)]` of every layer's input and output on the residual stream.
  static func blockInfluence(of network: some Network, on windows: TokenWindows) throws -> [Double] {
    let pass = ForwardPass(windows)
    let (runner, stream) = (pass.runner(for: network), try pass.embed(network))
    return try (0..<network.configuration.layerCount).map { index in
      let before = stream.copy()
      try runner.run(layer: index, weights: network.layer(index), stream)
      func product(_ a: Matrix<Float>, _ b: Matrix<Float>, _ row: Int) -> Double {
        Double(Kernels.dot(a.row(row), b.row(row), count: a.columns))
      }
      let cosines = (0..<stream.rows).reduce(0.0) { sum, i in
        let lengths = (product(before, before, i) * product(stream, stream, i)).squareRoot()
        return sum + product(before, stream, i) / max(lengths, .leastNormalMagnitude)
      }
      return 1 - cosines / Double(max(1, stream.rows))
    }
  }
}

/// The ridge leverage scores of channels, and their sums over the inputs of KV groups.
struct RidgeLeverage: Importance {
  /// `λ` as a share of the Gram's mean diagonal.
  let ridge: Double
  let name = "ridge-leverage"
  let summary = "ridge leverage scores of the inputs of o_proj and down_proj"
  let source = "MoDeGPT, arXiv 2408.09632"

  func scores(of layer: ScoredLayer) throws -> UnitScores {
    do {
      return UnitScores(
        groups: layer.foldColumns(try Self.scores(layer.statistics.contextGram, ridge: ridge)),
        channels: try Self.scores(layer.statistics.hiddenGram, ridge: ridge))
    } catch { throw ImportanceError.notFinite(score: name, layer: layer.index) }
  }

  /// `[C(C + λI)⁻¹]_ii = 1 − λ·[(C + λI)⁻¹]_ii`.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite`.
  static func scores(_ gram: Matrix<Float>, ridge: Double) throws(LinearAlgebraError) -> [Float] {
    if gram.rows == 0 { return [] }
    let damped = gram.damped(ridge)
    // What `damped` added: the identity to a matrix of zeros.
    let lambda = damped[0, 0] - Double(gram[0, 0])
    return try CholeskyFactor(factorising: damped).inverseDiagonal().map { Float(1 - lambda * $0) }
  }
}

/// Shares of layers by their influence: `φ_l = L·φ·softmax(−s/ε)_l`, one at most.
struct InfluenceAllocation {
  let configuration: ModelConfiguration
  /// `s`, one for every layer.
  let influence: [Double]
  /// `ε`.
  let temperature: Double
  let prunesAttention: Bool

  /// The share that every layer loses at the mean share `φ`.
  func shares(mean: Double) -> [Double] {
    let least = influence.min() ?? 0
    let weights = influence.map { exp(-($0 - least) / temperature) }
    let sum = weights.reduce(0, +)
    return weights.map { min(1, Double(influence.count) * mean * $0 / sum) }
  }

  /// - Parameter budget: block parameters at most.
  /// - Returns: `nil` where even the narrowest widths exceed the budget.
  func widths(budget: Int) -> [LayerWidths]? {
    guard let first = smallest(budget, { widths(shares(mean: $0), groups: nil) }) else { return nil }
    // The groups stay as they are, and the channels take what their rounding left.
    return smallest(budget) { widths(shares(mean: $0), groups: first.map(\.groups)) } ?? first
  }

  /// Every layer without all that it can lose.
  var narrowest: [LayerWidths] { widths(influence.map { _ in 1 }, groups: nil) }

  private func widths(_ shares: [Double], groups: [Int]?) -> [LayerWidths] {
    configuration.layers.enumerated().map { index, shape in
      func kept(_ count: Int, _ rounded: Double) -> Int { max(min(1, count), count - Int(rounded)) }
      let share = shares[index]
      let all = prunesAttention ? kept(shape.kvHeads, (share * Double(shape.kvHeads)).rounded()) : shape.kvHeads
      return LayerWidths(
        groups: groups?[index] ?? all,
        channels: kept(shape.mlpChannels, (share * Double(shape.mlpChannels)).rounded(.up)))
    }
  }

  /// The widths at the smallest mean share that meets the budget; more is never dearer. At the largest every layer loses
  /// all that it can.
  private func smallest(_ budget: Int, _ widths: (Double) -> [LayerWidths]) -> [LayerWidths]? {
    func cost(_ mean: Double) -> Int { configuration.cost(widths(mean)) }
    if cost(0) <= budget { return widths(0) }
    var (low, high) = (0.0, 1.0)
    while cost(high) > budget {
      // Beyond this the softmax of the last layer is nothing at all.
      if high > 1e12 { return configuration.cost(narrowest) <= budget ? narrowest : nil }
      high *= 2
    }
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if cost(middle) > budget { low = middle } else { high = middle }
    }
    return widths(high)
  }
}
