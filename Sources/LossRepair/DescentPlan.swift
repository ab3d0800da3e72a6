import Foundation
import LanguageModels
import LinearAlgebra

/// The schedule of a descent. A user sets nothing of it.
public struct DescentPlan: Sendable, Codable, Equatable {
  /// How often each window is trained on.
  public var passes = 1
  /// Tokens of a step, about.
  public var batchTokens = 1024
  /// Largest rate of a network of hidden size 576; that of another is as much smaller as it is wider.
  public var peakRate: Double
  /// Steps until the rate is at its largest.
  public var warmUp = 10
  /// How often in a pass the held-out windows are asked.
  public var checksPerPass = 4
  /// Of the order of the windows.
  public var seed: UInt64 = 0

  /// - Parameter fresh: share of the windows that the weights were not fitted on. On fitted ones a large rate fits their
  ///   noise; on others it is what learns from them while they last.
  public init(fresh: Double = 0) { peakRate = 6e-5 + fresh * (1.5e-4 - 6e-5) }

  func batchWindows(_ windows: TokenWindows) -> Int { max(1, min(windows.count, batchTokens / windows.length)) }

  /// Windows of each step: in every pass each window once, in an order of the pass's own.
  func batches(of windows: TokenWindows) -> [[Int]] {
    let size = batchWindows(windows)
    return (0..<passes).flatMap { pass in
      var random = SeededGenerator(seed: seed, stream: 7000 + UInt64(pass))
      let order = Array(0..<windows.count).shuffled(using: &random)
      return stride(from: 0, to: order.count, by: size).map { Array(order[$0..<min($0 + size, order.count)]) }
    }
  }

  /// The rate of a step: it rises in a straight line, then falls as half a wave of a cosine to a tenth.
  func rate(step: Int, of steps: Int, hidden: Int) -> Double {
    let peak = peakRate * 576 / Double(max(1, hidden))
    let rise = min(warmUp, max(1, steps / 4))
    if step < rise { return peak * Double(step + 1) / Double(rise) }
    let share = Double(step - rise) / Double(max(1, steps - rise))
    return peak * (0.1 + 0.9 * 0.5 * (1 + cos(.pi * share)))
  }
}
