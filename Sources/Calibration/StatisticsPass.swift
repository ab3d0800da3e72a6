import LanguageModels
import LinearAlgebra

/// A forward pass that gathers the statistics of layers, one layer in memory at a time.
public enum StatisticsPass {
  /// - Parameters:
  ///   - layers: those whose statistics are wanted; `nil` for all. The pass ends with the last of them.
  ///   - record: open record that takes the residual stream of the first windows, if all layers are wanted.
  ///   - body: given each wanted layer's statistics in the order of the layers.
  /// - Returns: the residual stream at the end of the pass, shape `[tokens, hidden]`.
  @discardableResult
  public static func run(
    _ network: some Network, on windows: TokenWindows, layers: Set<Int>? = nil,
    record: ResidualRecord? = nil, _ body: (_ layer: Int, _ statistics: LayerStatistics) throws -> Void
  ) throws -> Matrix<Float> {
    let configuration = network.configuration
    let pass = ForwardPass(windows)
    let hidden = try pass.embed(network)
    let runner = pass.runner(for: network)
    var spare: [StatisticsCollector.Lane] = []
    let last = layers.map { $0.max() ?? -1 } ?? configuration.layerCount - 1
    for (index, shape) in configuration.layers.enumerated() where index <= last {
      try record?.append(hidden)
      let weights = try network.layer(index)
      guard layers?.contains(index) ?? true else {
        try runner.run(layer: index, weights: weights, hidden, observer: nil)
        continue
      }
      let collector = StatisticsCollector(
        shape, in: configuration, tokens: windows.tokens.count, chunks: runner.chunkCount,
        bytes: network.memory.lanes, engine: network.engine, reusing: spare)
      try runner.run(layer: index, weights: weights, hidden, lanes: collector.laneCount) { _, tap, activations, lane in
        collector.observe(tap, activations, lane: lane)
      }
      let statistics = collector.finish()
      spare = collector.spare
      try body(index, statistics)
    }
    try record?.append(hidden)
    return hidden
  }
}
