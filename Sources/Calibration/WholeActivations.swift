import LanguageModels
import LinearAlgebra
import Runtime

/// The statistics of one layer of which the activations of all tokens are at hand.
///
/// `StatisticsCollector` hears of them chunk after chunk, as it does during a forward pass.
public final class WholeActivations {
  private static let chunkRows = 512

  private let collector: StatisticsCollector
  private let tokens: Int
  private var lacking: [LayerPart.Module: Matrix<Float>] = [:]

  /// - Parameters:
  ///   - bytes: memory for the matrices of all lanes (`MemoryPlan.lanes`).
  ///   - engine: engine that adds up Gram matrices.
  public init(
    _ shape: LayerShape, in configuration: ModelConfiguration, tokens: Int, bytes: Int, engine: any Engine
  ) {
    self.tokens = tokens
    collector = StatisticsCollector(
      shape, in: configuration, tokens: tokens, chunks: ForwardPass.lanes, bytes: bytes, engine: engine)
  }

  /// Takes the activations of all tokens.
  ///
  /// - Parameters:
  ///   - activations: shape as the tap says, for all tokens.
  ///   - factors: the numbers that the tokens are multiplied by, and its tap; `nil` if there are none.
  public func add(
    _ tap: ActivationTap, _ activations: Matrix<Float>, factors: (tap: ActivationTap, values: [Float])? = nil
  ) throws {
    let all = factors.map { Matrix<Float>($0.values, rows: $0.values.count, columns: 1) }
    try forEachChunk { [collector] rows, lane in
      if let factors, let all { collector.observe(factors.tap, all.rows(rows), lane: lane) }
      collector.observe(tap, activations.rows(rows), lane: lane)
    }
  }

  /// Takes what the output of a module's projection lacks.
  ///
  /// - Parameters:
  ///   - inputs: inputs of the projection, shape `[tokens, inputs]`.
  ///   - remaining: the part that its outputs lack, shape `[tokens, hidden]`.
  public func add(remaining: Matrix<Float>, of inputs: Matrix<Float>, to module: LayerPart.Module) throws {
    let sums = (0..<collector.laneCount).map { _ in Matrix<Float>(rows: inputs.columns, columns: remaining.columns) }
    try forEachChunk { rows, lane in
      multiply(inputs.rows(rows), remaining.rows(rows), transposingA: true, accumulate: 1, into: sums[lane])
    }
    for other in sums.dropFirst() { Kernels.add(other.pointer, to: sums[0].pointer, count: sums[0].count) }
    Kernels.scale(sums[0].pointer, by: 1 / Float(max(1, tokens)), count: sums[0].count)
    lacking[module] = sums[0]
  }

  /// The statistics of what was taken.
  public func finish() -> LayerStatistics {
    var statistics = collector.finish()
    (statistics.contextLacking, statistics.hiddenLacking) = (lacking[.attention], lacking[.mlp])
    return statistics
  }

  /// A fixed number of lanes keeps the sums independent of the number of cores.
  private func forEachChunk(_ body: @escaping @Sendable (_ rows: Range<Int>, _ lane: Int) -> Void) throws {
    let (lanes, tokens) = (collector.laneCount, tokens)
    try Threads.forEach(lanes) { lane, _ in
      let (first, end) = (lane * tokens / lanes, (lane + 1) * tokens / lanes)
      for start in stride(from: first, to: end, by: Self.chunkRows) {
        body(start..<min(start + Self.chunkRows, end), lane)
      }
    }
  }
}
