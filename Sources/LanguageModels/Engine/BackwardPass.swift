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

  /// What an engine gathers of a layer.
  public struct Gathered {
    public let gradients: LayerGradients?
    public let squares: LayerGradients?
    public let outputMoments: OutputMoments?

    public init(gradients: LayerGradients?, squares: LayerGradients?, outputMoments: OutputMoments?) {
      self.gradients = gradients
      self.squares = squares
      self.outputMoments = outputMoments
    }
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

  let windows: TokenWindows
  let scratch: URL

  /// - Parameter scratch: an existing folder with room for `(layers + 1) × tokens × hidden × 4` bytes.
  public init(_ windows: TokenWindows, scratch: URL = FileManager.default.temporaryDirectory) {
    self.windows = windows
    self.scratch = scratch
  }

  /// The first tokens of records, which together are those of the windows in their order.
  public typealias Recorded = [(record: ResidualRecord, tokens: Int)]

  /// Writes the gradient of a scalar with respect to the final hidden states, both of shape `[tokens, hidden]`. The hidden
  /// states are those behind the final norm; the gradient is zero before.
  public typealias Seed = (_ normed: Matrix<Float>, _ grad: Matrix<Float>) throws -> Void

  /// - Parameters:
  ///   - recorded: the network's residual stream, where it was recorded: it does not run forward then.
  ///   - visit: told each layer from the last to the first.
  /// - Throws: `ModelError.scratch` where the disk is full, and what the network and `visit` throw.
  public func run(
    _ network: some Network, of scalar: Scalar = .loss, parts: Parts = .weights, recorded: Recorded? = nil,
    visit: (Layer) throws -> Void
  ) throws {
    _ = try run(network, parts: parts, recorded: recorded, seed: { try seed(network, scalar, $0, $1) }, visit: visit)
  }

  /// The same of any scalar of the final hidden states.
  ///
  /// A layer's weights may be changed by `visit`: it is not read again.
  ///
  /// - Returns: the gradient of the final norm's gains, shape `[1, hidden]`.
  public func run(
    _ network: some Network, parts: Parts = .weights, recorded: Recorded? = nil, seed: Seed,
    visit: (Layer) throws -> Void
  ) throws -> Matrix<Float> {
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: network)
    let recorded = try recorded ?? [(pass.record(network, with: runner, in: scratch), windows.tokens.count)]
    let hidden = Matrix<Float>(uninitialized: windows.tokens.count, columns: network.configuration.hiddenSize)
    try read(recorded, boundary: network.configuration.layerCount, into: hidden)
    let (grad, gainGrad) = try gradient(network, hidden, seed)
    let backward = network.engine.backward(over: windows, through: network.configuration)
    for index in network.configuration.layers.indices.reversed() {
      let weights = try network.layer(index)
      try read(recorded, boundary: index, into: hidden)
      let found = try backward.run(weights, input: hidden, grad: grad, parts)
      try visit(
        Layer(
          index: index, weights: weights, gradients: found.gradients, squares: found.squares,
          outputMoments: found.outputMoments))
    }
    return gainGrad
  }

  func read(_ recorded: Recorded, boundary: Int, into hidden: Matrix<Float>) throws {
    precondition(recorded.reduce(0) { $0 + $1.tokens } == hidden.rows, "records of other windows")
    var start = 0
    for (record, tokens) in recorded {
      try record.read(boundary, into: hidden.rows(start..<start + tokens))
      start += tokens
    }
  }

  /// The gradient of a scalar with respect to the residual stream after the last layer, `[tokens, hidden]`.
  func seed(_ network: some Network, _ hidden: Matrix<Float>, _ scalar: Scalar) throws -> Matrix<Float> {
    try gradient(network, hidden) { try seed(network, scalar, $0, $1) }.stream
  }

  /// The gradient with respect to the residual stream after the last layer, `[tokens, hidden]`, and to the final norm's gains.
  private func gradient(
    _ network: some Network, _ hidden: Matrix<Float>, _ seed: Seed
  ) throws -> (stream: Matrix<Float>, gains: Matrix<Float>) {
    let normed = hidden.copy()
    try ForwardPass(windows).runner(for: network).normalise(normed, gain: network.finalNorm)
    let normedGrad = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
    try seed(normed, normedGrad)
    let grad = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
    let gainGrad = Matrix<Float>(rows: 1, columns: hidden.columns)
    for i in 0..<hidden.rows {
      Kernels.rmsNormBackward(
        hidden.row(i), gain: network.finalNorm, epsilon: network.configuration.normEpsilon,
        outputGrad: normedGrad.row(i), addingTo: grad.row(i), gainGrad: gainGrad.pointer, count: hidden.columns)
    }
    return (grad, gainGrad)
  }

  private func seed(
    _ network: some Network, _ scalar: Scalar, _ normed: Matrix<Float>, _ grad: Matrix<Float>
  ) throws {
    switch scalar {
    case .loss, .sampledLoss: try lossSeed(network, normed, sampling: scalar == .sampledLoss, into: grad)
    case .maximumLogit: try maximumSeed(network, normed, into: grad)
    }
  }

  /// `∂ = (softmax − onehot(next))·W / predicted tokens`, block by block of logits.
  ///
  /// - Parameter sampling: whether the next token is drawn from the softmax, not read.
  private func lossSeed(
    _ network: some Network, _ normed: Matrix<Float>, sampling: Bool, into grad: Matrix<Float>
  ) throws {
    let (length, head, cap) = (windows.length, network.head, network.configuration.logitCap)
    let output = network.outputHead(.single)
    let weight = 1 / Float(max(1, windows.count * (length - 1)))
    try output.forEachBlock(normed) { rows, logits in
      for (i, position) in rows.enumerated() {
        let row = logits.row(i)
        guard position % length < length - 1 else {
          row.update(repeating: 0, count: logits.columns)
          continue
        }
        let capped = cap.map { _ in Array(UnsafeBufferPointer(start: row, count: logits.columns)) }
        Kernels.softmax(row, count: logits.columns)
        let next = sampling ? Self.draw(row, logits.columns, position) : Int(windows.tokens[position + 1])
        row[next] -= 1
        Kernels.scale(row, by: weight, count: logits.columns)
        if let cap, let capped { Kernels.softCapBackward(capped, cap, grad: row, count: logits.columns) }
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
  private func maximumSeed(_ network: some Network, _ normed: Matrix<Float>, into grad: Matrix<Float>) throws {
    let (head, cap) = (network.head, network.configuration.logitCap)
    let output = network.outputHead(.single)
    let weight = 1 / (Float(windows.count) * Float(head.rows))
    for window in 0..<windows.count {
      let range = window * windows.length..<(window + 1) * windows.length
      let logits = try output.logits(normed.rows(range), vocabulary: head.rows)
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
        let slope = cap.map { 1 - (largest[entry] / $0) * (largest[entry] / $0) } ?? 1
        Kernels.addScaled(
          head.row(entry), weight * slope, to: grad.row(range.lowerBound + Int(best[entry])), count: grad.columns)
      }
    }
  }
}
