/// The ids of pieces met before in the same text, by the bytes of the piece.
struct PieceCache {
  /// Longer pieces seldom occur again.
  static let maximumLength = 64

  private var keys = TokenTable()
  private var ids: [Int32] = []
  private var ends: [Int] = []

  /// Appends the ids of `piece` to `result` if they are known.
  func append(_ piece: UnsafeBufferPointer<UInt8>.SubSequence, to result: inout [Int32]) -> Bool {
    guard let index = keys.index(of: piece) else { return false }
    result.append(contentsOf: ids[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
    return true
  }

  /// - Precondition: `piece` is not known.
  mutating func insert(_ piece: UnsafeBufferPointer<UInt8>.SubSequence, ids newIds: some Sequence<Int32>) {
    keys.append(piece)
    ids.append(contentsOf: newIds)
    ends.append(ids.count)
  }
}
