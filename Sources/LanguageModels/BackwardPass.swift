import LinearAlgebra

/// Exact gradients of a scalar with respect to every weight of every decoder layer, in the memory of one layer.
///
/// The forward pass keeps the residual stream at the layers' boundaries only. From the last layer to the first, each is
/// computed again from its boundary, window by window, and the gradients of its weights are handed to a visitor before
/// the next layer's take their memory. Peak memory is the boundaries and a few times one layer, never a second model.
public struct BackwardPass: Sendable {
  /// What is differentiated.
  public enum Scalar: Sendable {
    /// Mean of `−ln p(next token)` over the windows; the first token of a window is not predicted.
    case loss
    /// The output scalar of NIRVANA's code (arXiv 2509.14230): for every window and vocabulary entry the largest logit over
    /// the positions, averaged. No label enters.
    case maximumLogit
  }

  /// Windows are dealt to as many lanes on every machine, so that sums do not depend on its cores. Each has gradients of
  /// its own.
  static let lanes = 2

  private let windows: TokenWindows

  public init(_ windows: TokenWindows) { self.windows = windows }

  /// - Parameters:
  ///   - squares: also computes the mean over windows of the squared gradients of each window's own scalar, element by
  ///     element: the diagonal of the empirical Fisher matrix.
  ///   - visit: told each layer from the last to the first with its weights and their gradients; the memory is reused.
  public func run(
    _ network: some Network, of scalar: Scalar = .loss, squares: Bool = false,
    visit: (
      _ layer: Int, _ weights: LayerWeights, _ gradients: LayerGradients, _ squares: LayerGradients?
    ) throws -> Void
  ) throws {
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: network.configuration)
    let hidden = try pass.embed(network)
    var boundaries: [Matrix<Float>] = []
    for index in 0..<network.configuration.layerCount {
      boundaries.append(hidden.copy())
      try runner.run(layer: index, weights: network.layer(index), hidden)
    }
    let grad = try seed(network, hidden, scalar)
    let lanes = min(Self.lanes, windows.count)
    let workers = (0..<lanes).map { _ in BlockBackward(network.configuration, length: windows.length) }
    for index in network.configuration.layers.indices.reversed() {
      let weights = try network.layer(index)
      guard let boundary = boundaries.popLast() else { return }
      let sums = (0..<lanes).map { _ in LayerGradients(like: weights) }
      let fishers = squares ? (0..<lanes).map { _ in LayerGradients(like: weights) } : []
      let singles = squares ? (0..<lanes).map { _ in LayerGradients(like: weights) } : []
      try Threads.forEach(lanes) { lane, _ in
        for window in stride(from: lane, to: windows.count, by: lanes) {
          let rows = window * windows.length..<(window + 1) * windows.length
          let target = squares ? singles[lane] : sums[lane]
          if squares { target.fill(0) }
          workers[lane].run(weights, input: boundary.rows(rows), grad: grad.rows(rows), into: target)
          if squares {
            sums[lane].add(target)
            // The scalar is a mean over windows: a window's own gradient is `count` times its share, and
            // the mean of squares is `Σ (count·share)² / count`.
            fishers[lane].addSquares(target, Float(windows.count))
          }
        }
      }
      for lane in 1..<max(1, lanes) {
        sums[0].add(sums[lane])
        if squares { fishers[0].add(fishers[lane]) }
      }
      try visit(index, weights, sums[0], fishers.first)
    }
  }

  /// The gradient with respect to the residual stream after the last layer, `[tokens, hidden]`.
  private func seed(_ network: some Network, _ hidden: Matrix<Float>, _ scalar: Scalar) throws -> Matrix<Float> {
    let normed = hidden.copy()
    try ForwardPass(windows).runner(for: network.configuration).finalNorm(normed, gain: network.finalNorm)
    let normedGrad = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
    switch scalar {
    case .loss: try lossSeed(network.head, OutputHead(network), normed, into: normedGrad)
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
  private func lossSeed(
    _ head: Matrix<Float>, _ output: OutputHead, _ normed: Matrix<Float>, into grad: Matrix<Float>
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
        row[Int(windows.tokens[position + 1])] -= 1
        Kernels.scale(row, by: weight, count: logits.columns)
      }
      multiply(logits, head, into: grad.rows(rows))
    }
  }

  /// Each vocabulary entry's largest logit of a window sends its row of the head to the position where it stands.
  private func maximumSeed(
    _ head: Matrix<Float>, _ output: OutputHead, _ normed: Matrix<Float>, into grad: Matrix<Float>
  ) throws {
    let weight = 1 / (Float(windows.count) * Float(head.rows))
    for window in 0..<windows.count {
      let range = window * windows.length..<(window + 1) * windows.length
      let logits = try output.logits(normed.rows(range))
      var best = Array(repeating: 0, count: head.rows)
      for position in 1..<max(1, windows.length) {
        let row = logits.row(position)
        for entry in 0..<head.rows where row[entry] > logits[best[entry], entry] { best[entry] = position }
      }
      for entry in 0..<head.rows {
        Kernels.addScaled(
          head.row(entry), weight, to: grad.row(range.lowerBound + best[entry]), count: grad.columns)
      }
    }
  }
}
