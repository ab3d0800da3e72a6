import LanguageModels
import LinearAlgebra

/// How the final hidden states of a network change along directions: one-sided differences, a direction at a time in the
/// first layer that it moves, and all of them together in the layers behind.
struct DirectionStreams {
  /// The step of the differences: small enough for a straight line, large enough for single precision.
  private static let step: Float = 0.002

  /// Final hidden states behind the final norm, shape `[tokens, hidden]`.
  let hidden: Matrix<Float>
  /// Their derivatives along each direction, of the same shape.
  let changes: [Matrix<Float>]

  /// - Parameter directions: in the order of their layers.
  init(_ network: some Network, _ windows: TokenWindows, along directions: [Direction]) throws {
    let (configuration, engine) = (network.configuration, network.engine)
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: network, streams: directions.count + 1)
    let base = try pass.embed(network)
    var streams: [Matrix<Float>] = []
    for index in configuration.layers.indices {
      let weights = try network.layer(index)
      let prepared = engine.prepare(weights, of: configuration, .single)
      var together: [(weights: any PreparedLayer, hidden: Matrix<Float>)] = streams.map { (prepared, $0) }
      for direction in directions where direction.layer == index {
        let (moved, stream) = (direction.moved(weights, by: Self.step), base.copy())
        together.append((engine.prepare(moved, of: configuration, .single), stream))
        streams.append(stream)
      }
      try runner.run(together + [(prepared, base)])
    }
    try runner.normalise(base, gain: network.finalNorm)
    for stream in streams {
      try runner.normalise(stream, gain: network.finalNorm)
      Kernels.addScaled(base.pointer, -1, to: stream.pointer, count: stream.count)
      Kernels.scale(stream.pointer, by: 1 / Self.step, count: stream.count)
    }
    (hidden, changes) = (base, streams)
  }
}
