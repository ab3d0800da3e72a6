import LinearAlgebra
import Runtime

/// Takes gradients back through layers on the processor's cores: windows are dealt to lanes, each with gradients of its own.
final class LaneBackward: EngineBackward {
  /// As many on every machine, so that sums do not depend on its cores.
  private static let lanes = 2

  private let windows: TokenWindows
  private let lanes: [Lane]
  /// The layer at work, packed for products of the forward direction.
  private let memory: LayerBuffers

  /// - Parameter queryBlock: number of query rows that attention handles at once.
  init(_ windows: TokenWindows, _ configuration: ModelConfiguration, queryBlock: Int) {
    self.windows = windows
    let count = min(Self.lanes, windows.count)
    let share = Threads.share(among: count)
    lanes = (0..<count).map { _ in
      Lane(
        BlockBackward(configuration, length: windows.length, queryBlock: queryBlock, workers: share),
        hidden: configuration.hiddenSize)
    }
    memory = LayerBuffers(configuration)
  }

  func run(
    _ weights: LayerWeights, input: Matrix<Float>, grad: Matrix<Float>, _ parts: BackwardPass.Parts
  ) throws -> BackwardPass.Gathered {
    for lane in lanes { lane.begin(weights, parts, hidden: input.columns) }
    let packed = PackedLayer(weights, .single, in: memory)
    try Threads.forEach(windows.count, inLanes: lanes.count) { [lanes, windows] window, lane, _ in
      let rows = window * windows.length..<(window + 1) * windows.length
      lanes[lane].add(weights, packed, input: input.rows(rows), grad: grad.rows(rows), windows: windows.count)
    }
    guard let total = lanes.first else { return .init(gradients: nil, squares: nil, outputMoments: nil) }
    for lane in lanes.dropFirst() { total.merge(lane) }
    return total.gathered(windows)
  }
}

/// What one worker adds up of a layer.
private final class Lane: @unchecked Sendable {
  private let worker: BlockBackward
  private let hidden: Int
  /// Reused from layer to layer where the shapes are alike.
  private var sum: LayerGradients?
  private var squares: LayerGradients?
  /// The gradients of one window, where their squares are wanted.
  private var single: LayerGradients?
  private var moments: BackwardPass.OutputMoments?

  init(_ worker: BlockBackward, hidden: Int) { (self.worker, self.hidden) = (worker, hidden) }

  func begin(_ weights: LayerWeights, _ parts: BackwardPass.Parts, hidden: Int) {
    if parts.contains(.weights) { LayerGradients.clear(&sum, like: weights) }
    if parts.contains(.squares) {
      LayerGradients.clear(&squares, like: weights)
      LayerGradients.clear(&single, like: weights)
    }
    if parts.contains(.outputMoments) {
      moments = BackwardPass.OutputMoments(
        attention: Matrix(rows: hidden, columns: hidden), mlp: Matrix(rows: hidden, columns: hidden))
    }
  }

  func add(
    _ weights: LayerWeights, _ packed: PackedLayer, input: Matrix<Float>, grad: Matrix<Float>, windows: Int
  ) {
    single?.fill(0)
    worker.run(weights, packed: packed, input: input, grad: grad, into: single ?? sum, moments: moments)
    guard let sum, let single, let squares else { return }
    sum.add(single)
    // The scalar is a mean over windows: a window's own gradient is `windows` times its share, and the mean of squares is
    // `Σ (windows·share)² / windows`.
    squares.addSquares(single, Float(windows))
  }

  func merge(_ other: Lane) {
    if let mine = sum, let theirs = other.sum { mine.add(theirs) }
    if let mine = squares, let theirs = other.squares { mine.add(theirs) }
    if let mine = moments, let theirs = other.moments {
      Kernels.add(theirs.attention.pointer, to: mine.attention.pointer, count: mine.attention.count)
      Kernels.add(theirs.mlp.pointer, to: mine.mlp.pointer, count: mine.mlp.count)
    }
  }

  func gathered(_ windows: TokenWindows) -> BackwardPass.Gathered {
    if let moments {
      // The gradients are those of a mean over the predicted tokens.
      let predicted = Float(windows.count * (windows.length - 1))
      for moment in [moments.attention, moments.mlp] {
        mirrorUpperTriangle(moment)
        Kernels.scale(
          moment.pointer, by: predicted * predicted / Float(windows.tokens.count), count: moment.count)
      }
    }
    return .init(gradients: sum, squares: squares, outputMoments: moments)
  }
}
