/// Merges the symbols of one piece: as long as a pair of neighbours has a merge, the pair of the lowest rank (the
/// leftmost of these) becomes one symbol.
///
/// Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2. The
/// candidates wait in a binary heap, so a piece of n symbols takes O(n log n).
struct MergeWorkspace {
  /// The symbols to merge, and after `merge` the result.
  var symbols: [Int32] = []
  /// The results of all merges, if this is an empty list at first.
  var results: [Int32]?
  private var previous: [Int32] = []
  private var next: [Int32] = []
  /// Candidates as rank · 2³² + position of the left symbol, smallest first.
  private var heap: [UInt64] = []

  private static let merged: Int32 = -1

  mutating func merge(with merges: MergeTable) {
    let count = symbols.count
    guard count > 1 else { return }
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    for position in 0..<count {
      previous.append(Int32(truncatingIfNeeded: position - 1))
      next.append(Int32(truncatingIfNeeded: position + 1))
    }
    for position in 0..<(count - 1) { push(position, with: merges) }

    while let top = popSmallest() {
      let position = Int(top & 0xFFFF_FFFF)
      let right = Int(next[position])
      // The symbols here may have changed since the candidate was found.
      guard symbols[position] != Self.merged, right < count,
        let merge = merges.merge(symbols[position], symbols[right]), UInt64(merge.rank) == top >> 32
      else { continue }
      symbols[position] = merge.result
      symbols[right] = Self.merged
      results?.append(merge.result)
      let afterRight = Int(next[right])
      next[position] = Int32(truncatingIfNeeded: afterRight)
      if afterRight < count {
        previous[afterRight] = Int32(truncatingIfNeeded: position)
        push(position, with: merges)
      }
      if previous[position] >= 0 { push(Int(previous[position]), with: merges) }
    }
    symbols.removeAll { $0 == Self.merged }
  }

  private mutating func push(_ position: Int, with merges: MergeTable) {
    guard let merge = merges.merge(symbols[position], symbols[Int(next[position])]) else { return }
    heap.append(UInt64(merge.rank) << 32 | UInt64(position))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if heap[parent] <= heap[child] { break }
      heap.swapAt(parent, child)
      child = parent
    }
  }

  private mutating func popSmallest() -> UInt64? {
    guard let smallest = heap.first, let last = heap.popLast() else { return nil }
    if heap.isEmpty { return smallest }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      if last <= heap[child] { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
    return smallest
  }
}
