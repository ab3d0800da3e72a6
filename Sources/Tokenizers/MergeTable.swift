/// A hash table from a pair of symbols to the merge of the two.
struct MergeTable: Sendable {
  struct Value {
    var rank: Int32
    var result: Int32
  }

  private struct Slot {
    var key = UInt64.max
    var value = Value(rank: 0, result: 0)
  }

  /// Open addressing; the size is a power of two, at most half full. No key is UInt64.max, because symbols are not
  /// negative.
  private var slots: [Slot]
  private let shift: Int

  /// If a pair occurs more than once, the last one counts.
  init(_ merges: [TokenizerDefinition.Merge]) {
    var bits = 4
    while 1 << bits < merges.count * 2 { bits += 1 }
    shift = 64 - bits
    slots = Array(repeating: Slot(), count: 1 << bits)
    for merge in merges {
      let key = Self.key(merge.left, merge.right)
      let slot = slots.withUnsafeBufferPointer { Self.slot(of: key, in: $0, shift: shift) }
      slots[slot] = Slot(key: key, value: Value(rank: merge.rank, result: merge.result))
    }
  }

  /// Both symbols in one number.
  @inline(__always)
  static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  @inline(__always)
  private static func slot(of key: UInt64, in slots: UnsafeBufferPointer<Slot>, shift: Int) -> Int {
    var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift))
    while slots[slot].key != key, slots[slot].key != UInt64.max { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  func merge(_ left: Int32, _ right: Int32) -> Value? {
    slots.withUnsafeBufferPointer { slots in
      let key = Self.key(left, right)
      let slot = slots[Self.slot(of: key, in: slots, shift: shift)]
      return slot.key == key ? slot.value : nil
    }
  }
}
