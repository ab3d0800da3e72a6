import LanguageModels
import LinearAlgebra
import Synchronization

/// What must be kept of a dense model to compare any other network of its vocabulary with it, token by token.
///
/// With `p` the dense distribution at a token and `z = W·h` the other network's logits,
///
///     KL(p‖q) = Σ p·log p − Σ p·z + log Σ exp(z) = −H(p) − (Wᵀp)·h + log Σ exp(W·h)
///
/// so one number, `H(p)`, and one vector of the hidden size, `e = Wᵀp`, stand in for the dense logits: comparing costs
/// nothing beyond the other network's own logits. This holds where both networks share the output head `W`; where they
/// do not, `e` is formed with the other network's head (`init(_:windows:head:)`). The gradient with respect to `h` is
/// `Wᵀq − e`.
///
/// Where logits are capped, they are no longer linear in `h`: the dense final hidden states stand in, and the dense logits are
/// made of them again.
public struct DenseReference: Sendable {
  public let windows: TokenWindows
  /// Entropy of the dense distribution at each token, in nats.
  private let entropies: [Double]
  /// `Wᵀp` at each token, shape `[tokens, hidden]`; empty where logits are capped.
  private let expected: Matrix<Float>
  /// Where logits are capped.
  private let capped: CappedLogits?
  /// Most likely token of the dense model at each position.
  private let choices: [Int32]
  public let perplexity: Perplexity
  /// In which the networks to compare run. The dense one always runs in single precision.
  public let precision: Precision
  /// Of the networks to compare.
  public let head: any EngineHead
  private let headWeight: Matrix<Float>

  /// Runs the dense network over the windows, in single precision.
  ///
  /// - Parameters:
  ///   - residual: its residual stream behind the last layer on the windows, shape `[tokens, hidden]`, where it is known: it
  ///     does not run again then. Overwritten.
  ///   - head: the output head of the networks to compare, when it is not the dense network's own.
  ///   - precision: of the networks to compare. In bfloat16 their head and final hidden states are rounded wherever they
  ///     occur in the formula, in `e` too, so that it is a divergence and never below zero.
  public init(
    _ dense: some Network, windows: TokenWindows, residual: Matrix<Float>? = nil, head: Matrix<Float>? = nil,
    precision: Precision = .single
  ) throws {
    (self.windows, self.precision) = (windows, precision)
    let hidden = try ForwardPass(windows).hiddenStates(of: dense, residual: residual)
    let own = dense.outputHead(.single)
    self.head =
      head == nil && precision == .single
      ? own : dense.engine.head(head ?? dense.head, cap: dense.configuration.logitCap, precision)
    let head = head ?? dense.head
    headWeight = head
    capped = dense.configuration.logitCap.map {
      CappedLogits(cap: $0, dense: own, hidden: hidden, vocabulary: dense.head.rows)
    }
    let expected = Matrix<Float>(rows: capped == nil ? hidden.rows : 0, columns: head.columns)
    let tokens = Mutex([(entropy: Double, choice: Int32, loss: Double)](repeating: (0, 0, 0), count: hidden.rows))
    try own.forEachBlock(hidden) { rows, logits in
      for (i, position) in rows.enumerated() {
        let row = logits.row(i)
        let summary = OutputHead.summary(
          row, count: logits.columns, target: Perplexity.target(windows, position))
        let entropy = summary.normaliser - Kernels.softmaxExpectation(row, count: logits.columns)
        let loss = Perplexity.loss(summary, windows, position)
        tokens.withLock { $0[position] = (entropy, summary.choice, loss) }
      }
      if expected.rows > 0 { Self.multiply(logits, by: head, in: precision, into: expected.rows(rows)) }
    }
    self.expected = expected
    let found = tokens.withLock { $0 }
    (entropies, choices) = (found.map(\.entropy), found.map(\.choice))
    perplexity = Perplexity(windowMeans: Perplexity.means(found.map(\.loss), windows))
  }

  /// How a network compares with the dense one on the reference's windows.
  public func compare(_ network: some Network) throws -> Comparison {
    let hidden = try ForwardPass(windows).hiddenStates(of: network, precision: precision)
    return Comparison(try tally(hidden, from: 0), windowLength: windows.length)
  }

  /// Writes the gradient of the mean divergence with respect to the final hidden states of a network.
  ///
  /// - Parameters:
  ///   - hidden: after the final norm, in single precision, shape `[tokens, hidden]`.
  ///   - chosen: the reference's windows that they belong to, one after another.
  ///   - grad: of the same shape; overwritten.
  /// - Returns: the mean divergence, in nats a token.
  public func gradient(at hidden: Matrix<Float>, windows chosen: [Int], into grad: Matrix<Float>) throws -> Double {
    precondition(precision == .single && hidden.rows == chosen.count * windows.length, "other windows")
    let places = chosen.flatMap { $0 * windows.length..<($0 + 1) * windows.length }
    let weight = 1 / Float(max(1, hidden.rows))
    let found =
      try capped?.gradient(hidden, places, head: head, weight: headWeight, scale: weight, into: grad)
      ?? linearGradient(hidden, places, scale: weight, into: grad)
    return zip(found, places).reduce(0) { $0 + $1.0 - entropies[$1.1] } * Double(weight)
  }

  /// `scale·(Wᵀq − e)`, and `log Σ exp(z) − e·h` of each token.
  private func linearGradient(
    _ hidden: Matrix<Float>, _ places: [Int], scale: Float, into grad: Matrix<Float>
  ) throws -> [Double] {
    let found = Mutex([Double](repeating: 0, count: hidden.rows))
    try head.forEachBlock(hidden) { rows, logits in
      for (i, row) in rows.enumerated() {
        let z = logits.row(i)
        let normaliser = OutputHead.summary(z, count: logits.columns, target: nil).normaliser
        let agreement = Kernels.dot(expected.row(places[row]), hidden.row(row), count: hidden.columns)
        Kernels.softmax(z, count: logits.columns)
        Kernels.scale(z, by: scale, count: logits.columns)
        found.withLock { $0[row] = normaliser - Double(agreement) }
      }
      LinearAlgebra.multiply(logits, headWeight, into: grad.rows(rows))
      for row in rows { Kernels.addScaled(expected.row(places[row]), -scale, to: grad.row(row), count: grad.columns) }
    }
    return found.withLock { $0 }
  }

  /// `Wᵀp` for probabilities of shape `[tokens, vocabulary]`, with the head as it is in a precision.
  private static func multiply(
    _ probabilities: Matrix<Float>, by head: Matrix<Float>, in precision: Precision, into result: Matrix<Float>
  ) {
    if precision == .single { return LinearAlgebra.multiply(probabilities, head, into: result) }
    let tile = 1024
    let rounded = Matrix<Float>(rows: min(tile, head.rows), columns: head.columns)
    for start in stride(from: 0, to: head.rows, by: tile) {
      let range = start..<min(start + tile, head.rows)
      let part = rounded.rows(0..<range.count)
      part.assign(head.rows(range))
      Kernels.roundToBfloat16(part.pointer, count: part.count)
      LinearAlgebra.multiply(probabilities.columns(range), part, accumulate: start == 0 ? 0 : 1, into: result)
    }
  }

  /// What is counted of one window.
  struct WindowTally {
    /// Sum of the divergences at its tokens, in nats.
    var divergence: Double
    /// Tokens at which both networks prefer the same next token.
    var agreements: Int
    /// Mean negative log-likelihood, in nats.
    var loss: Double
  }

  /// Compares final hidden states of some windows, window by window, so that no sum depends on which others are there.
  ///
  /// - Parameters:
  ///   - hidden: after the final norm, whole windows, shape `[tokens, hidden]`; left rounded to the precision.
  ///   - first: the reference's window that they begin with.
  func tally(_ hidden: Matrix<Float>, from first: Int) throws -> [WindowTally] {
    let offset = first * windows.length
    if precision == .bfloat16 {
      for i in 0..<hidden.rows { Kernels.roundToBfloat16(hidden.row(i), count: hidden.columns) }
    }
    let summaries = try head.summaries(hidden) { Perplexity.target(windows, offset + $0) }
    let agreements =
      try capped?.agreements(hidden, Array(offset..<offset + hidden.rows), head: head)
      ?? (0..<hidden.rows).map {
        Double(Kernels.dot(expected.row(offset + $0), hidden.row($0), count: hidden.columns))
      }
    let divergences = summaries.enumerated().map { place, summary in
      summary.normaliser - agreements[place] - entropies[offset + place]
    }
    return stride(from: 0, to: hidden.rows, by: windows.length).map { start in
      let places = start..<start + windows.length
      return WindowTally(
        divergence: places.reduce(0) { $0 + divergences[$1] },
        agreements: places.reduce(0) { $0 + (summaries[$1].choice == choices[offset + $1] ? 1 : 0) },
        loss: places.reduce(0) { $0 + Perplexity.loss(summaries[$1], windows, offset + $1) }
          / Double(max(1, windows.length - 1)))
    }
  }
}

/// A network beside its dense parent on the same windows.
public struct Comparison: Sendable {
  private let tallies: [DenseReference.WindowTally]
  private let windowLength: Int

  init(_ tallies: [DenseReference.WindowTally], windowLength: Int) {
    (self.tallies, self.windowLength) = (tallies, windowLength)
  }

  public var perplexity: Perplexity { Perplexity(windowMeans: tallies.map(\.loss)) }

  /// Mean divergence from the dense distribution in each window, in nats per token.
  public var windowDivergences: [Double] { tallies.map { $0.divergence / Double(windowLength) } }

  /// Mean Kullback–Leibler divergence from the dense distribution, in nats per token.
  ///
  /// Rounding may leave a divergence of zero a hair below it.
  public var divergence: Double { max(0, windowDivergences.reduce(0, +) / Double(tallies.count)) }

  /// Share of tokens at which both networks prefer the same next token.
  public var topOneAgreement: Double {
    Double(tallies.reduce(0) { $0 + $1.agreements }) / Double(tallies.count * windowLength)
  }

  /// The same network on these windows and on further ones.
  public func joined(_ further: Comparison) -> Comparison {
    Comparison(tallies + further.tallies, windowLength: windowLength)
  }
}
