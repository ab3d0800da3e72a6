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

  /// Runs the network over the windows, with products in a precision.
  public init(_ network: some Network, windows: TokenWindows, precision: Precision = .single) throws {
    let hidden = try ForwardPass(windows).hiddenStates(of: network, precision: precision)
    let head = network.outputHead(precision)
    let summaries = try head.summaries(hidden) { Self.target(windows, $0) }
    windowMeans = Self.means(summaries.enumerated().map { Self.loss($1, windows, $0) }, windows)
  }

  init(windowMeans: [Double]) { self.windowMeans = windowMeans }

  /// Tokens that are run together where memory is to be bounded.
  public static let groupTokens = 8192

  /// Runs the network over groups of the windows, one after the other, which bounds memory.
  public init(_ network: some Network, windowsInGroups windows: TokenWindows) throws {
    windowMeans = try windows.groups(ofTokens: Self.groupTokens).flatMap {
      try Perplexity(network, windows: windows.windows($0)).windowMeans
    }
  }

  /// The token after `position`; `nil` at the end of a window.
  static func target(_ windows: TokenWindows, _ position: Int) -> Int32? {
    (position + 1) % windows.length == 0 ? nil : windows.tokens[position + 1]
  }

  /// Negative log-likelihood of the token after `position`; 0 at the end of a window.
  static func loss(_ summary: OutputHead.Summary, _ windows: TokenWindows, _ position: Int) -> Double {
    target(windows, position) == nil ? 0 : summary.normaliser - Double(summary.target)
  }

  static func means(_ losses: [Double], _ windows: TokenWindows) -> [Double] {
    (0..<windows.count).map { window in
      let positions = window * windows.length..<(window + 1) * windows.length
      return positions.reduce(0) { $0 + losses[$1] } / Double(max(1, windows.length - 1))
    }
  }
}
