import LanguageModels
import LinearAlgebra
import Runtime

/// How much an error in each column of a projection counts: the mean square of the input that the column reads, the
/// diagonal of the inputs' Gram matrix. A rounding error `δ` of a row adds `E[(δ·x)²]` to the squared error of an output.
/// This is the part of it that does not depend on how errors and inputs correlate.
struct InputImportance: Sendable {
  struct Layer: Sendable {
    var attention: [Float] = []
    var context: [Float] = []
    var mlp: [Float] = []
    /// Those of the down projection, one for each expert.
    var hidden: [[Float]] = []
  }

  /// Share of the mean that a column counts at least, so that none may be rounded to anything.
  private static let least: Float = 1e-4

  private(set) var layers: [Layer]

  /// The same of some layers only.
  func keeping(_ numbers: [Int]) -> InputImportance {
    var result = self
    result.layers = numbers.map { layers[$0] }
    return result
  }

  /// Runs a network over token windows, layer by layer.
  init(of network: some Network, on windows: TokenWindows, monitor: Monitor) throws {
    let (pass, configuration) = (ForwardPass(windows), network.configuration)
    let hidden = try pass.embed(network)
    let runner = pass.runner(for: network)
    layers = []
    for (index, shape) in configuration.layers.enumerated() {
      try monitor.advance(.init(.importance), index, of: configuration.layerCount)
      let sums = Sums(shape, configuration)
      try runner.run(layer: index, weights: network.layer(index), hidden) { sums.add($3, $1, $2) }
      layers.append(sums.total)
    }
  }

  /// The importance of a projection's columns, with a mean of about one; `nil` where nothing is known, or all is zero.
  ///
  /// - Parameter columns: number of columns; channels that were filled up with zeros hardly count.
  func columns(of part: LayerPart, layer: Int, expert: Int = 0, count columns: Int) -> [Float]? {
    let layer = layers[layer]
    let found: [Float] =
      switch part {
      case .query, .key, .value: layer.attention
      case .output: layer.context
      case .gate, .up: layer.mlp
      case .down: expert < layer.hidden.count ? layer.hidden[expert] : []
      default: []
      }
    let mean = found.reduce(0) { $0 + Double($1) } / Double(max(1, found.count))
    let filled = columns - found.count
    guard filled == 0 || part == .down && filled > 0, mean > 0, mean.isFinite else { return nil }
    return found.map { max(Self.least, $0 / Float(mean)) } + Array(repeating: Self.least, count: filled)
  }
}

/// Sums of squares of a layer's inputs, one for each lane of the forward pass.
private final class Sums: @unchecked Sendable {
  private let lanes: [Lane]

  private struct Lane {
    let attention, context, mlp: Matrix<Float>
    let hidden: [Matrix<Float>]
  }

  init(_ shape: LayerShape, _ configuration: ModelConfiguration) {
    let width = configuration.hiddenSize
    let experts = configuration.block.experts == nil ? min(1, shape.mlpChannels) : shape.mlpChannels
    let channels = configuration.block.experts == nil ? shape.mlpChannels : configuration.channelsPerUnit
    func zeros(_ count: Int) -> Matrix<Float> { Matrix(rows: 1, columns: count) }
    lanes = (0..<ForwardPass.lanes).map { _ in
      Lane(
        attention: zeros(width), context: zeros(shape.queryHeads * configuration.headDimension), mlp: zeros(width),
        hidden: (0..<experts).map { _ in zeros(channels) })
    }
  }

  func add(_ lane: Int, _ tap: ActivationTap, _ activations: Matrix<Float>) {
    let lane = lanes[lane]
    switch tap {
    case .attentionInput: add(activations, to: lane.attention)
    case .attentionContext: add(activations, to: lane.context)
    case .mlpInput: add(activations, to: lane.mlp)
    case .mlpHidden: if let sum = lane.hidden.first { add(activations, to: sum) }
    // The weight of an expert with a bias follows in a column of its own.
    case .expertHidden(let expert): add(activations, to: lane.hidden[expert])
    default: break
    }
  }

  private func add(_ x: Matrix<Float>, to sum: Matrix<Float>) {
    for row in 0..<x.rows { Kernels.addSquares(x.row(row), 1, to: sum.pointer, count: sum.columns) }
  }

  var total: InputImportance.Layer {
    func sum(_ part: (Lane) -> Matrix<Float>) -> [Float] {
      let total = part(lanes[0])
      for lane in lanes.dropFirst() { Kernels.add(part(lane).pointer, to: total.pointer, count: total.columns) }
      return total.elements
    }
    return InputImportance.Layer(
      attention: sum(\.attention), context: sum(\.context), mlp: sum(\.mlp),
      hidden: lanes[0].hidden.indices.map { expert in sum { $0.hidden[expert] } })
  }
}
