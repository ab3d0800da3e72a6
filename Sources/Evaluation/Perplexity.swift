import Foundation
import LanguageModels
import LinearAlgebra

/// Token perplexity as the pruning literature measures it.
///
/// Non-overlapping windows; the first token of each is not scored; the mean negative log-likelihood of each window is
/// averaged over windows and exponentiated.
public struct Perplexity: Sendable {
  /// Mean negative log-likelihood of each window, in nats.
  public let windowMeans: [Double]

  public var mean: Double { windowMeans.reduce(0, +) / Double(windowMeans.count) }
  public var value: Double { exp(mean) }

  /// - Parameter hidden: final hidden states of the windows, as `ForwardPass.hiddenStates` gives them.
  public init(_ network: some Network, windows: TokenWindows, hidden: Matrix<Float>) throws {
    let losses = TokenValues<Double>(count: windows.tokens.count)
    try OutputHead(network).forEachBlock(hidden) { rows, logits in
      for (i, position) in rows.enumerated() {
        losses[position] = Self.loss(logits.row(i), logits.columns, windows, position)
      }
    }
    windowMeans = Self.means(losses, windows)
  }

  /// Runs the network over the windows first.
  public init(_ network: some Network, windows: TokenWindows) throws {
    try self.init(network, windows: windows, hidden: ForwardPass(windows).hiddenStates(of: network))
  }

  init(windowMeans: [Double]) { self.windowMeans = windowMeans }

  /// Negative log-likelihood of the token after `position`; 0 at the end of a window.
  static func loss(
    _ logits: UnsafePointer<Float>, _ count: Int, _ windows: TokenWindows, _ position: Int, normaliser: Float? = nil
  ) -> Double {
    if (position + 1) % windows.length == 0 { return 0 }
    let target = Int(windows.tokens[position + 1])
    return Double((normaliser ?? Kernels.logSumExp(logits, count: count)) - logits[target])
  }

  static func means(_ losses: TokenValues<Double>, _ windows: TokenWindows) -> [Double] {
    (0..<windows.count).map { window in
      let positions = window * windows.length..<(window + 1) * windows.length
      return positions.reduce(0) { $0 + losses[$1] } / Double(max(1, windows.length - 1))
    }
  }
}

/// One value a token, written by different workers at different places.
final class TokenValues<Value: BitwiseCopyable>: @unchecked Sendable {
  private let storage: UnsafeMutableBufferPointer<Value>

  init(count: Int) where Value: AdditiveArithmetic {
    storage = .allocate(capacity: count)
    storage.initialize(repeating: .zero)
  }

  deinit { storage.deallocate() }

  subscript(index: Int) -> Value {
    get { storage[index] }
    set { storage[index] = newValue }
  }

  var array: [Value] { Array(storage) }
}
