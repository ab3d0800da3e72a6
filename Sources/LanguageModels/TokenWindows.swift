/// Token sequences of one length, one after another.
public struct TokenWindows: Sendable, Hashable {
  /// Tokens in each window.
  public let length: Int
  /// All windows, window by window; `count × length` tokens.
  public let tokens: [Int32]

  public init(length: Int, tokens: [Int32]) {
    precondition(length > 0 && tokens.count % length == 0, "windows must be full")
    self.length = length
    self.tokens = tokens
  }

  public init(_ windows: [[Int32]]) {
    self.init(length: windows.first?.count ?? 1, tokens: windows.flatMap { $0 })
  }

  public var count: Int { tokens.count / length }

  public subscript(window: Int) -> ArraySlice<Int32> { tokens[window * length..<(window + 1) * length] }

  /// Places at which windows begin, at even distances: the first with a text's beginning, the last so that it ends with the text.
  ///
  /// - Parameter tokens: tokens of the text, at least those of a window.
  public static func starts(of count: Int, length: Int, in tokens: Int) -> [Int] {
    (0..<count).map { $0 * (tokens - length) / max(1, count - 1) }
  }

  /// Windows of a range, as windows of their own.
  public func windows(_ range: Range<Int>) -> TokenWindows { selecting(Array(range)) }

  /// Ranges of windows with at most so many tokens together; one window at least.
  public func groups(ofTokens tokens: Int) -> [Range<Int>] {
    let group = max(1, tokens / length)
    return stride(from: 0, to: count, by: group).map { $0..<min($0 + group, count) }
  }

  /// Some of the windows, in any order.
  public func selecting(_ indices: [Int]) -> TokenWindows {
    TokenWindows(length: length, tokens: indices.flatMap { self[$0] })
  }
}
