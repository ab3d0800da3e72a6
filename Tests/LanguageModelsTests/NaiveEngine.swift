import Foundation
import LinearAlgebra
import Runtime

@testable import LanguageModels

/// An engine for tiny models that computes everything in double precision by the formulas of `NaiveTransformer`, and gradients
/// as central differences. It shares no product, kernel or factorisation with `CPUEngine`.
struct NaiveEngine: Engine {
  let name = "naive"

  struct Layer: PreparedLayer { let weights: LayerWeights }

  func prepare(_ weights: LayerWeights, of configuration: ModelConfiguration, _ precision: Precision)
    -> any PreparedLayer
  { Layer(weights: weights) }

  func bytes(ofPrepared shape: LayerShape, in configuration: ModelConfiguration, _ precision: Precision) -> Int {
    configuration.parameters(of: shape) * MemoryLayout<Float>.size
  }

  func pass(
    over windows: TokenWindows, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass { NaivePass(windows, configuration) }

  func pass(
    over trees: TokenTrees, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass { NaiveTreePass(trees, configuration) }

  func backward(over windows: TokenWindows, through configuration: ModelConfiguration) -> any EngineBackward {
    NaiveBackward(pass: NaivePass(windows, configuration), windows: windows)
  }

  func head(_ weight: Matrix<Float>, cap: Float?, _ precision: Precision) -> any EngineHead {
    NaiveHead(weight: weight, cap: cap)
  }

  func addGram(of x: Matrix<Float>, to gram: Matrix<Float>) {
    for i in 0..<x.columns {
      for j in i..<x.columns {
        gram[i, j] += Float((0..<x.rows).reduce(0.0) { $0 + Double(x[$1, i]) * Double(x[$1, j]) })
      }
    }
  }

  func factor(_ matrix: Matrix<Double>) throws -> any EngineFactor { try NaiveFactor(matrix) }

  func decoder<Model: Network>(
    _ network: Model, sequences: Int, capacity: Int, _ precision: Precision
  ) -> any EngineDecoder { NaiveDecoder(network: network, seen: Array(repeating: [], count: sequences)) }
}

/// A configuration without weights, for formulas that are given the weights of a layer.
private struct Shell: Network {
  let configuration: ModelConfiguration
  var engine: any Engine { NaiveEngine() }
  var memory: MemoryPlan { MemoryPlan() }
  var embedding: Matrix<Float> { Matrix(rows: 0, columns: 0) }
  var head: Matrix<Float> { Matrix(rows: 0, columns: 0) }
  var finalNorm: [Float] { [] }
  func layer(_ index: Int) throws -> LayerWeights { preconditionFailure("a shell has no layers") }
}

private func rows(_ x: Matrix<Float>, _ range: Range<Int>) -> [[Double]] {
  range.map { i in (0..<x.columns).map { Double(x[i, $0]) } }
}

private func write(_ values: [[Double]], to x: Matrix<Float>, from start: Int = 0) {
  for (i, row) in values.enumerated() { for (j, value) in row.enumerated() { x[start + i, j] = Float(value) } }
}

private struct NaivePass: NaiveEnginePass {
  let windows: TokenWindows
  let formulas: NaiveTransformer
  var chunkCount: Int { windows.count }

  init(_ windows: TokenWindows, _ configuration: ModelConfiguration) {
    self.windows = windows
    formulas = NaiveTransformer(Shell(configuration: configuration))
  }

  private func range(_ window: Int) -> Range<Int> { window * windows.length..<(window + 1) * windows.length }

  func shape(_ weights: LayerWeights) -> LayerShape {
    let dimension = formulas.network.configuration.headDimension
    return LayerShape(
      queryHeads: weights.query.outputs / dimension, kvHeads: weights.key.outputs / dimension,
      mlpChannels: weights.gate.outputs / weights.channelsPerUnit)
  }

  func context(_ weights: LayerWeights, _ x: [[Double]]) -> [[Double]] {
    formulas.attention(x.map { formulas.norm($0, weights.attentionNorm) }, weights, shape(weights))
  }

  func activations(_ weights: LayerWeights, _ x: [[Double]]) -> [[Double]] { x.map { formulas.mlpHidden(weights, $0) } }

  /// `x + N(projection(activations))`
  func added(_ projection: Linear, _ gain: [Float], _ activations: [[Double]], to x: [[Double]]) -> [[Double]] {
    zip(x, activations).map { formulas.sum($0, formulas.norm(formulas.apply(projection, $1), gain)) }
  }

  private func after(_ module: LayerPart.Module, _ weights: LayerWeights, _ activations: [[Double]], _ x: [[Double]])
    -> [[Double]]
  { added(weights[toStream: module], weights[gain: module.postNorm], activations, to: x) }

  func afterAttention(_ weights: LayerWeights, _ x: [[Double]]) -> [[Double]] {
    shape(weights).kvHeads > 0 ? after(.attention, weights, context(weights, x), x) : x
  }

  func afterMLP(_ weights: LayerWeights, _ x: [[Double]]) -> [[Double]] {
    shape(weights).mlpChannels > 0 ? after(.mlp, weights, activations(weights, x), x) : x
  }

  /// The root mean square of each row of a module's outputs, if a norm divides by it; else 1.
  func sizes(_ module: LayerPart.Module, _ weights: LayerWeights, _ activations: [[Double]]) -> [Double] {
    if weights[gain: module.postNorm].isEmpty { return activations.map { _ in 1 } }
    return activations.map { row in
      let output = formulas.apply(weights[module.output], row)
      let square = output.reduce(0) { $0 + $1 * $1 } / Double(output.count)
      return (square + Double(formulas.network.configuration.normEpsilon)).squareRoot()
    }
  }

  /// Activations, each divided by the size of its output.
  private func sized(_ module: LayerPart.Module, _ weights: LayerWeights, _ activations: [[Double]]) -> [[Double]] {
    zip(activations, sizes(module, weights, activations)).map { row, size in row.map { $0 / size } }
  }

  func run(
    layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>, lanes most: Int,
    observer: ForwardPass.Observer?
  ) throws {
    for window in 0..<windows.count {
      func tell(_ tap: ActivationTap, _ values: [[Double]]) {
        guard let observer, let width = values.first?.count else { return }
        let seen = Matrix<Float>(rows: values.count, columns: width)
        write(values, to: seen)
        observer(index, tap, seen, window % most)
      }
      func tellFactors(_ tap: ActivationTap, _ module: LayerPart.Module, _ activations: [[Double]]) {
        if weights[gain: module.postNorm].isEmpty { return }
        tell(tap, sizes(module, weights, activations).map { [1 / $0] })
      }
      let x = rows(hidden, range(window))
      if shape(weights).kvHeads > 0 {
        let normed = x.map { formulas.norm($0, weights.attentionNorm) }
        let joint: [(ActivationTap, LayerPart, LayerPart)] = [
          (.queries, .query, .allQueriesNorm), (.keys, .key, .allKeysNorm),
        ]
        for (tap, part, norm) in joint where !weights[gain: norm].isEmpty {
          tell(tap, normed.map { formulas.apply(weights[part], $0) })
        }
        tell(.attentionInput, normed)
        tellFactors(.attentionFactors, .attention, context(weights, x))
        tell(.attentionContext, sized(.attention, weights, context(weights, x)))
      }
      let middle = afterAttention(weights, x)
      tell(.afterAttention, middle)
      if shape(weights).mlpChannels > 0 {
        tell(.mlpInput, middle.map { formulas.norm($0, weights.mlpNorm) })
        tellFactors(.mlpFactors, .mlp, activations(weights, middle))
        if weights.hasExperts {
          tellExperts(weights, middle, tell)
        } else {
          tell(.mlpHidden, sized(.mlp, weights, activations(weights, middle)))
        }
      }
      let end = afterMLP(weights, middle)
      tell(.afterMLP, end)
      write(end, to: hidden, from: range(window).lowerBound)
    }
  }

  /// The activations and outputs of each expert for the tokens that use it.
  private func tellExperts(_ weights: LayerWeights, _ x: [[Double]], _ tell: (ActivationTap, [[Double]]) -> Void) {
    let hidden = activations(weights, x)
    let width = weights.activationsPerUnit
    for expert in 0..<weights[.router].outputs {
      let own = expert * width..<(expert + 1) * width
      let used = hidden.map { Array($0[own]) }.filter { $0.contains { $0 != 0 } }
      let down = Linear(weight: weights[toStream: .mlp].weight.columns(own))
      tell(.expertHidden(expert), used)
      tell(.expertOutput(expert), used.map { formulas.apply(down, $0) })
    }
  }

  func inputs(
    of module: LayerPart.Module, layer weights: LayerWeights, _ hidden: Matrix<Float>
  ) throws -> Matrix<Float> {
    let result = Matrix<Float>(rows: hidden.rows, columns: weights.activations(of: module))
    for window in 0..<windows.count {
      let x = rows(hidden, range(window))
      let found = module == .attention ? context(weights, x) : activations(weights, x)
      write(found, to: result, from: range(window).lowerBound)
    }
    return result
  }

  func add(
    _ projection: Linear, from module: LayerPart.Module, postNorm gain: [Float], of activations: Matrix<Float>,
    to hidden: Matrix<Float>
  ) throws {
    let all = 0..<hidden.rows
    write(added(projection, gain, rows(activations, all), to: rows(hidden, all)), to: hidden)
  }

  func normalise(_ hidden: Matrix<Float>, gain: [Float]) throws {
    write(rows(hidden, 0..<hidden.rows).map { formulas.norm($0, gain) }, to: hidden)
  }
}

/// Gradients as central differences of `Σ grad ⊙ layer(input)`.
private struct NaiveBackward: EngineBackward {
  let pass: NaivePass
  let windows: TokenWindows
  private static let step = 1e-4

  private func difference(_ value: (Double) -> Double) -> Double {
    (value(Self.step) - value(-Self.step)) / (2 * Self.step)
  }

  private func product(_ a: [[Double]], _ b: [[Double]]) -> Double {
    zip(a, b).reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  /// The gradient of `Σ grad ⊙ f(x)` with respect to `x`.
  private func pulled(_ grad: [[Double]], through f: ([[Double]]) -> [[Double]], at x: [[Double]]) -> [[Double]] {
    x.indices.map { i in
      x[i].indices.map { j in
        difference { step in
          var moved = x
          moved[i][j] += step
          return product(grad, f(moved))
        }
      }
    }
  }

  func run(
    _ weights: LayerWeights, input: Matrix<Float>, grad: Matrix<Float>, _ parts: BackwardPass.Parts
  ) throws -> BackwardPass.Gathered {
    var (sum, squares): (LayerGradients?, LayerGradients?) = (nil, nil)
    if parts.contains(.weights) { LayerGradients.clear(&sum, like: weights) }
    if parts.contains(.squares) { LayerGradients.clear(&squares, like: weights) }
    var moments = (attention: [[Double]](), mlp: [[Double]]())
    for window in 0..<windows.count {
      let range = window * windows.length..<(window + 1) * windows.length
      let (x, after) = (rows(input, range), rows(grad, range))
      let middle = pass.afterAttention(weights, x)
      let between = pulled(after, through: { pass.afterMLP(weights, $0) }, at: middle)
      moments.mlp += outputGradients(.mlp, weights, pass.activations(weights, middle), after)
      moments.attention += outputGradients(.attention, weights, pass.context(weights, x), between)
      let before = pulled(between, through: { pass.afterAttention(weights, $0) }, at: x)
      write(before, to: grad, from: range.lowerBound)
      guard let sum else { continue }
      for part in LayerPart.allCases {
        addGradients(of: part, weights, x, after, to: sum, squares)
      }
    }
    let scale = Float(windows.count * (windows.length - 1))
    func moment(_ gradients: [[Double]]) -> Matrix<Float> {
      let size = input.columns
      let result = Matrix<Float>(rows: size, columns: size)
      for i in 0..<size {
        for j in 0..<size {
          let value = gradients.reduce(0.0) { $0 + $1[i] * $1[j] } / Double(gradients.count)
          result[i, j] = Float(value) * scale * scale
        }
      }
      return result
    }
    return .init(
      gradients: sum, squares: squares,
      outputMoments: parts.contains(.outputMoments)
        ? .init(attention: moment(moments.attention), mlp: moment(moments.mlp)) : nil)
  }

  /// The gradients at a module's outputs divided by their sizes, for those at the stream.
  private func outputGradients(
    _ module: LayerPart.Module, _ weights: LayerWeights, _ activations: [[Double]], _ grad: [[Double]]
  ) -> [[Double]] {
    let gain = weights[gain: module.postNorm]
    if gain.isEmpty { return grad }
    let outputs = activations.map { pass.formulas.apply(weights[module.output], $0) }
    let before = pulled(grad, through: { $0.map { pass.formulas.norm($0, gain) } }, at: outputs)
    return zip(before, pass.sizes(module, weights, activations)).map { row, size in row.map { $0 * size } }
  }

  private func addGradients(
    of part: LayerPart, _ weights: LayerWeights, _ x: [[Double]], _ after: [[Double]], to sum: LayerGradients,
    _ squares: LayerGradients?
  ) {
    func value(_ change: (inout LayerWeights) -> Void) -> Double {
      var moved = weights
      change(&moved)
      return product(after, pass.afterMLP(moved, pass.afterAttention(moved, x)))
    }
    // Weights are in single precision and move by a step that they can hold.
    let step: Float = 1.0 / 512
    func add(_ sum: Matrix<Float>?, _ squares: Matrix<Float>?, _ place: Int, _ moved: (Float) -> Double) {
      let slope = Float((moved(step) - moved(-step)) / Double(2 * step))
      sum?.pointer[place] += slope
      squares?.pointer[place] += slope * slope * Float(windows.count)
    }
    guard part.isLinear else {
      for place in weights[gain: part].indices {
        add(sum[gain: part], squares?[gain: part], place) { by in value { $0[gain: part][place] += by } }
      }
      return
    }
    for place in 0..<weights[part].weight.count {
      add(sum[part].weight, squares?[part].weight, place) { by in
        value { layer in
          let copy = layer[part].weight.copy()
          copy.pointer[place] += by
          layer[part].weight = copy
        }
      }
    }
    for place in (weights[part].bias ?? []).indices {
      add(sum[part].bias, squares?[part].bias, place) { by in value { $0[part].bias?[place] += by } }
    }
  }
}

private struct NaiveHead: EngineHead {
  let weight: Matrix<Float>
  let cap: Float?

  private func logits(_ hidden: Matrix<Float>, _ row: Int) -> [Double] {
    (0..<weight.rows).map { entry in
      let logit = (0..<weight.columns).reduce(0.0) { $0 + Double(weight[entry, $1]) * Double(hidden[row, $1]) }
      return cap.map { Double($0) * tanh(logit / Double($0)) } ?? logit
    }
  }

  func summaries(_ hidden: Matrix<Float>, target: @Sendable (Int) -> Int32?) throws -> [OutputHead.Summary] {
    (0..<hidden.rows).map { row in
      let logits = logits(hidden, row)
      let peak = logits.max() ?? 0
      return .init(
        normaliser: peak + log(logits.reduce(0) { $0 + exp($1 - peak) }),
        choice: Int32(logits.firstIndex(of: peak) ?? 0), target: target(row).map { Float(logits[Int($0)]) } ?? 0)
    }
  }

  func forEachBlock(
    _ hidden: Matrix<Float>, _ body: @Sendable (_ rows: Range<Int>, _ logits: Matrix<Float>) -> Void
  ) throws {
    for row in 0..<hidden.rows {
      body(row..<row + 1, Matrix(logits(hidden, row).map(Float.init), rows: 1, columns: weight.rows))
    }
  }
}

private struct NaiveFactor: EngineFactor {
  struct NotPositive: Error {}

  private let lower: [[Double]]
  var order: Int { lower.count }

  init(_ matrix: Matrix<Double>) throws {
    var lower = (0..<matrix.rows).map { _ in Array(repeating: 0.0, count: matrix.rows) }
    for i in 0..<matrix.rows {
      for j in 0...i {
        let rest = matrix[i, j] - (0..<j).reduce(0) { $0 + lower[i][$1] * lower[j][$1] }
        if i != j {
          lower[i][j] = rest / lower[j][j]
        } else if rest > 0 {
          lower[i][i] = rest.squareRoot()
        } else {
          throw NotPositive()
        }
      }
    }
    self.lower = lower
  }

  func multiplyTransposed(_ b: Matrix<Double>) {
    for column in 0..<b.columns {
      for i in 0..<order { b[i, column] = (i..<order).reduce(0) { $0 + lower[$1][i] * b[$1, column] } }
    }
  }

  func solveLowerTransposed(_ b: Matrix<Double>) {
    for column in 0..<b.columns {
      for i in (0..<b.rows).reversed() {
        let rest = (i + 1..<max(b.rows, i + 1)).reduce(b[i, column]) { $0 - lower[$1][i] * b[$1, column] }
        b[i, column] = rest / lower[i][i]
      }
    }
  }

  func solveLower(_ b: Matrix<Double>) {
    for column in 0..<b.columns {
      for i in 0..<b.rows {
        let rest = (0..<i).reduce(b[i, column]) { $0 - lower[i][$1] * b[$1, column] }
        b[i, column] = rest / lower[i][i]
      }
    }
  }
}

/// Remembers tokens instead of keys and values, and begins anew at every step.
private final class NaiveDecoder: EngineDecoder {
  private let network: any Network
  private var seen: [[Int32]]

  init(network: any Network, seen: [[Int32]]) { (self.network, self.seen) = (network, seen) }

  func read(_ runs: [ArraySlice<Int32>], goesOn: () throws -> Bool) throws -> Bool {
    seen = runs.map(Array.init)
    return try goesOn()
  }

  func step(_ tokens: [Int32?]) throws -> Matrix<Float> {
    let formulas = NaiveTransformer(network)
    let fed = tokens.enumerated().compactMap { sequence, token in token.map { (sequence, $0) } }
    let result = Matrix<Float>(rows: fed.count, columns: network.head.rows)
    for (row, (sequence, token)) in fed.enumerated() {
      seen[sequence].append(token)
      write([try formulas.logits(seen[sequence]).last ?? []], to: result, from: row)
    }
    return result
  }
}
