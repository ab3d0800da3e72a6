/// Byte strings numbered 0, 1, 2, … with a hash index from the bytes back to the number.
///
/// Keys are compared byte by byte. (`String` keys would be wrong: Swift treats canonically equivalent strings as
/// equal.) All keys lie in one buffer, so that a vocabulary of 150,000 tokens costs three allocations.
struct TokenTable: Sendable {
  private var blob: [UInt8] = []
  private var ends: [Int] = []
  /// Open addressing: entry + 1, or 0 where empty. Its size is a power of two, at most half full.
  private var slots: [Int32] = Array(repeating: 0, count: 16)
  /// Numbers that no key has.
  private var gaps: Set<Int> = []

  var count: Int { ends.count }
  var indices: Range<Int> { ends.indices }

  /// The bytes of entry `index`.
  subscript(index: Int) -> ArraySlice<UInt8> {
    blob[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  func isGap(_ index: Int) -> Bool { gaps.contains(index) }

  /// The entry of these bytes; nil if there is none.
  func index(of key: some Collection<UInt8>) -> Int? {
    let slot = slots[slot(of: key)]
    return slot == 0 ? nil : Int(slot) - 1
  }

  /// Appends a key. If an entry already has these bytes, lookups still find that one, and it is returned.
  @discardableResult
  mutating func append(_ key: some Collection<UInt8>) -> Int? {
    blob.append(contentsOf: key)
    ends.append(blob.count)
    if ends.count * 2 > slots.count { grow() }
    let slot = slot(of: self[ends.count - 1])
    if slots[slot] != 0, slots[slot] != Int32(ends.count) { return Int(slots[slot]) - 1 }
    slots[slot] = Int32(ends.count)
    return nil
  }

  /// Appends an entry without a key: its bytes are empty, and nothing finds it.
  mutating func appendGap() {
    gaps.insert(ends.count)
    ends.append(blob.count)
    if ends.count * 2 > slots.count { grow() }
  }

  /// Doubles the slots, and fills in all entries but the last.
  private mutating func grow() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for index in 0..<(ends.count - 1) where !gaps.contains(index) {
      let slot = slot(of: self[index])
      if slots[slot] == 0 { slots[slot] = Int32(index) + 1 }
    }
  }

  /// The slot that holds `key`, or the empty slot where it belongs.
  private func slot(of key: some Collection<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    hash ^= hash >> 32
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0, !self[Int(slots[slot]) - 1].elementsEqual(key) {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}
