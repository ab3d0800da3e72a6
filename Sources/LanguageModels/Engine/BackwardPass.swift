import Foundation
import LinearAlgebra
import Runtime

/// Exact gradients of a scalar with respect to every weight and every output of every decoder layer, in the memory of one
/// layer.
///
/// The forward pass writes the residual stream at the layers' boundaries to disk. From the last layer to the first, each
/// is computed again from its boundary, window by window, and its gradients are handed to a visitor before
/// the next layer's take their memory. Peak memory is two residual streams and a few times one layer, never a second
/// model.
public struct BackwardPass: Sendable {
  /// What is differentiated.
  public enum Scalar: String, Sendable, CaseIterable, Codable {
    /// Mean of `−ln p(next token)` over the windows; the first token of a window is not predicted.
    case loss
    /// The same of tokens drawn from the network's own distribution at every position, by a generator that the position
    /// seeds. The second moment of this gradient is the Fisher information, which is the Hessian of the KL divergence
    /// from the network; that of the text's own tokens, the empirical Fisher matrix, is dominated by what the network
    /// predicts badly (Kunstner, Balles and Hennig, arXiv 1905.12558).
    case sampledLoss = "sampled-loss"
    /// The output scalar of NIRVANA's code (arXiv 2509.14230): for every window and vocabulary entry the largest logit over
    /// the positions, averaged. No label enters.
    case maximumLogit = "maximum-logit"
  }

  /// What is wanted of each layer. Gradients of weights cost as much as a forward pass.
  public struct Parts: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Gradients of the weights.
    public static let weights = Parts(rawValue: 1)
    /// Those and their squares.
    public static let squares = Parts(rawValue: 3)
    /// Second moments of the gradients at the outputs of attention and MLP.
    public static let outputMoments = Parts(rawValue: 4)
  }

  /// What the visitor sees of a layer. The memory of the gradients is reused.
  public struct Layer {
    public let index: Int
    public let weights: LayerWeights
    /// With `.weights`.
    public let gradients: LayerGradients?
    /// The mean over windows of the squared gradients of each window's own scalar, element by element: the diagonal of
    /// the empirical Fisher matrix. With `.squares`.
    public let squares: LayerGradients?
    /// With `.outputMoments`.
    public let outputMoments: OutputMoments?
  }

  /// `S = E[g gᵀ]` over tokens, `g` the gradient of the *sum* of the tokens' scalars at a sub-layer's output, shape
  /// `[hidden, hidden]`.
  ///
  /// To second order, and with tokens independent, an error `δ` of that output adds `½·E[δᵀ S δ]` to the mean scalar.
  public struct OutputMoments: Sendable {
    public let attention: Matrix<Float>
    public let mlp: Matrix<Float>

    public init(attention: Matrix<Float>, mlp: Matrix<Float>) {
      self.attention = attention
      self.mlp = mlp
    }
  }

  /// Windows are dealt to as many lanes on every machine, so that sums do not depend on its cores. Each has gradients of
  /// its own.
  static let lanes = 2

  private let windows: TokenWindows
  private let scratch: URL
  /// Query rows that attention handles at once: few enough to waste little on what is masked, many enough for fast products.
  var queryBlock = 128

  /// - Parameter scratch: an existing folder with room for `(layers + 1) × tokens × hidden × 4` bytes.
  public init(_ windows: TokenWindows, scratch: URL = FileManager.default.temporaryDirectory) {
    self.windows = windows
    self.scratch = scratch
  }

  /// The first tokens of records, which together are those of the windows in their order.
  public typealias Recorded = [(record: ResidualRecord, tokens: Int)]

  /// - Parameters:
  ///   - recorded: the network's residual stream, where it was recorded: it does not run forward then.
  ///   - visit: told each layer from the last to the first.
  /// - Throws: `ModelError.scratch` where the disk is full, and what the network and `visit` throw.
  public func run(
    _ network: some Network, of scalar: Scalar = .loss, parts: Parts = .weights, recorded: Recorded? = nil,
    visit: (Layer) throws -> Void
  ) throws {
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: network.configuration)
    let recorded = try recorded ?? [(pass.record(network, with: runner, in: scratch), windows.tokens.count)]
    let hidden = Matrix<Float>(uninitialized: windows.tokens.count, columns: network.configuration.hiddenSize)
    try read(recorded, boundary: network.configuration.layerCount, into: hidden)
    let grad = try seed(network, hidden, scalar)
    let count = min(Self.lanes, windows.count)
    let share = Threads.share(among: count)
    let lanes = (0..<count).map { _ in
      Lane(BlockBackward(network.configuration, length: windows.length, queryBlock: queryBlock, workers: share))
    }
    for index in network.configuration.layers.indices.reversed() {
      let weights = try network.layer(index)
      try read(recorded, boundary: index, into: hidden)
      for lane in lanes { lane.begin(weights, parts) }
      let packed = runner.packed(weights)
      try Threads.forEach(windows.count, inLanes: lanes.count) { window, lane, _ in
        let rows = window * windows.length..<(window + 1) * windows.length
        lanes[lane].add(weights, packed, input: hidden.rows(rows), grad: grad.rows(rows), windows: windows.count)
      }
      guard let total = lanes.first else { return }
      for lane in lanes.dropFirst() { total.merge(lane) }
      try visit(total.layer(index, weights, windows))
    }
  }

  private func read(_ recorded: Recorded, boundary: Int, into hidden: Matrix<Float>) throws {
    precondition(recorded.reduce(0) { $0 + $1.tokens } == hidden.rows, "records of other windows")
    var start = 0
    for (record, tokens) in recorded {
      try record.read(boundary, into: hidden.rows(start..<start + tokens))
      start += tokens
    }
  }

  /// What one worker adds up of a layer.
  private final class Lane: @unchecked Sendable {
    private let worker: BlockBackward
    /// Reused from layer to layer where the shapes are alike.
    private var sum: LayerGradients?
    private var squares: LayerGradients?
    /// The gradients of one window, where their squares are wanted.
    private var single: LayerGradients?
    private var moments: OutputMoments?

    init(_ worker: BlockBackward) { self.worker = worker }

    func begin(_ weights: LayerWeights, _ parts: Parts) {
      if parts.contains(.weights) { LayerGradients.clear(&sum, like: weights) }
      if parts.contains(.squares) {
        LayerGradients.clear(&squares, like: weights)
        LayerGradients.clear(&single, like: weights)
      }
      if parts.contains(.outputMoments) {
        let hidden = weights.attentionNorm.count
        moments = OutputMoments(
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

    func layer(_ index: Int, _ weights: LayerWeights, _ windows: TokenWindows) -> Layer {
      if let moments {
        // The gradients are those of a mean over the predicted tokens.
        let predicted = Float(windows.count * (windows.length - 1))
        for moment in [moments.attention, moments.mlp] {
          mirrorUpperTriangle(moment)
          Kernels.scale(
            moment.pointer, by: predicted * predicted / Float(windows.tokens.count), count: moment.count)
        }
      }
      return Layer(
        index: index, weights: weights, gradients: sum, squares: squares, outputMoments: moments)
    }
  }

  /// The gradient with respect to the residual stream after the last layer, `[tokens, hidden]`.
  private func seed(_ network: some Network, _ hidden: Matrix<Float>, _ scalar: Scalar) throws -> Matrix<Float> {
    let normed = hidden.copy()
    try ForwardPass(windows).runner(for: network.configuration).normalise(normed, gain: network.finalNorm)
    let normedGrad = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
    switch scalar {
    case .loss, .sampledLoss:
      try lossSeed(network.head, OutputHead(network), normed, sampling: scalar == .sampledLoss, into: normedGrad)
    case .maximumLogit: try maximumSeed(network.head, OutputHead(network), normed, into: normedGrad)
    }
    let grad = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
    let gainGrad = Matrix<Float>(rows: 1, columns: hidden.columns)
    for i in 0..<hidden.rows {
      Kernels.rmsNormBackward(
        hidden.row(i), gain: network.finalNorm, epsilon: network.configuration.normEpsilon,
        outputGrad: normedGrad.row(i), addingTo: grad.row(i), gainGrad: gainGrad.pointer, count: hidden.columns)
    }
    return grad
  }

  /// `∂ = (softmax − onehot(next))·W / predicted tokens`, block by block of logits.
  ///
  /// - Parameter sampling: whether the next token is drawn from the softmax, not read.
  private func lossSeed(
    _ head: Matrix<Float>, _ output: OutputHead, _ normed: Matrix<Float>, sampling: Bool, into grad: Matrix<Float>
  ) throws {
    let length = windows.length
    let weight = 1 / Float(max(1, windows.count * (length - 1)))
    try output.forEachBlock(normed) { rows, logits in
      for (i, position) in rows.enumerated() {
        let row = logits.row(i)
        guard position % length < length - 1 else {
          row.update(repeating: 0, count: logits.columns)
          continue
        }
        Kernels.softmax(row, count: logits.columns)
        let next = sampling ? Self.draw(row, logits.columns, position) : Int(windows.tokens[position + 1])
        row[next] -= 1
        Kernels.scale(row, by: weight, count: logits.columns)
      }
      multiply(logits, head, into: grad.rows(rows))
    }
  }

  /// An index drawn from a distribution, the same for the same position.
  private static func draw(_ distribution: UnsafeMutablePointer<Float>, _ count: Int, _ position: Int) -> Int {
    var generator = SeededGenerator(seed: 0, stream: UInt64(position))
    var left = generator.unit()
    for index in 0..<count {
      left -= Double(distribution[index])
      if left < 0 { return index }
    }
    return count - 1
  }

  /// Each vocabulary entry's largest logit of a window sends its row of the head to the position where it stands.
  private func maximumSeed(
    _ head: Matrix<Float>, _ output: OutputHead, _ normed: Matrix<Float>, into grad: Matrix<Float>
  ) throws {
    let weight = 1 / (Float(windows.count) * Float(head.rows))
    for window in 0..<windows.count {
      let range = window * windows.length..<(window + 1) * windows.length
      let logits = try output.logits(normed.rows(range))
      var best = Array(repeating: Int32(0), count: head.rows)
      let largest = logits.row(0)
      for position in 1..<max(1, windows.length) {
        let row = logits.row(position)
        for entry in 0..<head.rows where row[entry] > largest[entry] {
          largest[entry] = row[entry]
          best[entry] = Int32(position)
        }
      }
      for entry in 0..<head.rows {
        Kernels.addScaled(
          head.row(entry), weight, to: grad.row(range.lowerBound + Int(best[entry])), count: grad.columns)
      }
    }
  }
}
