import LinearAlgebra

@testable import LanguageModels

/// Takes every sequence of trees through layers alone, and keeps what its own tokens become.
struct NaiveTreePass: NaiveEnginePass {
  /// The rows of each sequence.
  private let paths: [[Int]]
  private let engine = NaiveEngine()
  private let configuration: ModelConfiguration
  var chunkCount: Int { paths.count }

  init(_ trees: TokenTrees, _ configuration: ModelConfiguration) {
    paths = trees.members.indices.map { trees.rows(of: $0) }
    self.configuration = configuration
  }

  /// Calls `body` with a pass over a window as long as each sequence, and the sequence's rows.
  private func forEachPath(_ body: (any EnginePass, [Int]) throws -> Void) rethrows {
    for path in paths {
      let window = TokenWindows(length: path.count, tokens: Array(repeating: 0, count: path.count))
      try body(engine.pass(over: window, through: configuration, streams: 1, .single), path)
    }
  }

  func run(
    layer index: Int, weights: LayerWeights, _ hidden: Matrix<Float>, lanes most: Int,
    observer: ForwardPass.Observer?
  ) throws {
    let result = hidden.copy()
    try forEachPath { pass, path in
      let own = hidden.gatherRows(path)
      try pass.run(layer: index, weights: weights, own, lanes: most, observer: observer)
      for (i, row) in path.enumerated() { result.rows(row..<row + 1).assign(own.rows(i..<i + 1)) }
    }
    hidden.assign(result)
  }

  func inputs(
    of module: LayerPart.Module, layer weights: LayerWeights, _ hidden: Matrix<Float>
  ) throws -> Matrix<Float> {
    let result = Matrix<Float>(rows: hidden.rows, columns: weights.activations(of: module))
    try forEachPath { pass, path in
      let found = try pass.inputs(of: module, layer: weights, hidden.gatherRows(path))
      for (i, row) in path.enumerated() { result.rows(row..<row + 1).assign(found.rows(i..<i + 1)) }
    }
    return result
  }

  func add(
    _ projection: Linear, from module: LayerPart.Module, postNorm gain: [Float], of activations: Matrix<Float>,
    to hidden: Matrix<Float>
  ) throws {
    let window = TokenWindows(length: 1, tokens: Array(repeating: 0, count: hidden.rows))
    try engine.pass(over: window, through: configuration, streams: 1, .single)
      .add(projection, from: module, postNorm: gain, of: activations, to: hidden)
  }

  func normalise(_ hidden: Matrix<Float>, gain: [Float]) throws {
    let window = TokenWindows(length: 1, tokens: Array(repeating: 0, count: hidden.rows))
    try engine.pass(over: window, through: configuration, streams: 1, .single).normalise(hidden, gain: gain)
  }
}

/// A pass of this engine takes streams one after the other.
protocol NaiveEnginePass: EnginePass {}

extension NaiveEnginePass {
  func run(_ streams: [(weights: any PreparedLayer, hidden: Matrix<Float>)]) throws {
    for stream in streams {
      guard let layer = stream.weights as? NaiveEngine.Layer else { preconditionFailure("a layer of another engine") }
      try run(layer: 0, weights: layer.weights, stream.hidden)
    }
  }
}
