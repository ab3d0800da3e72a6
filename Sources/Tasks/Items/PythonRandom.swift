/// The generator of Python's module `random`: the Mersenne twister (Matsumoto and Nishimura, 1998), seeded by a whole number.
struct PythonRandom {
  private static let (size, middle) = (624, 397)
  private var state: [UInt32]
  private var next = size

  /// - Parameter seed: any number of 32 bits.
  init(seed: UInt32) {
    let size = Self.size
    var state: [UInt32] = [19_650_218]
    for i in 1..<size { state.append(1_812_433_253 &* (state[i - 1] ^ state[i - 1] >> 30) &+ UInt32(i)) }
    var place = 1
    // The key is the seed alone.
    for step in 0..<2 * size - 1 {
      let before = (state[place - 1] ^ state[place - 1] >> 30)
      state[place] =
        step < size
        ? (state[place] ^ before &* 1_664_525) &+ seed : (state[place] ^ before &* 1_566_083_941) &- UInt32(place)
      place += 1
      if place == size { (state[0], place) = (state[size - 1], 1) }
    }
    state[0] = 0x8000_0000
    self.state = state
  }

  private mutating func turn() {
    let size = Self.size
    for i in 0..<size {
      let bits = (state[i] & 0x8000_0000) | (state[(i + 1) % size] & 0x7FFF_FFFF)
      state[i] = state[(i + Self.middle) % size] ^ bits >> 1 ^ (bits & 1 == 0 ? 0 : 0x9908_B0DF)
    }
    next = 0
  }

  /// `getrandbits(count)`, for up to 32.
  mutating func bits(_ count: Int) -> UInt32 {
    if next == Self.size { turn() }
    var y = state[next]
    next += 1
    y ^= y >> 11
    y ^= y << 7 & 0x9D2C_5680
    y ^= y << 15 & 0xEFC6_0000
    y ^= y >> 18
    return count == 0 ? 0 : y >> UInt32(32 - count)
  }

  /// `_randbelow(limit)`
  private mutating func below(_ limit: Int) -> Int {
    let width = Int.bitWidth - limit.leadingZeroBitCount
    while true {
      let value = Int(bits(width))
      if value < limit { return value }
    }
  }

  /// `sample(range(count), wanted)`
  mutating func sample(_ wanted: Int, of count: Int) -> [Int] {
    // From here on a set of what was drawn takes less room than a list of all.
    var room = 21
    if wanted > 5 {
      var power = 1
      while power < 3 * wanted { power *= 4 }
      room += power
    }
    if count <= room {
      var pool = Array(0..<count)
      return (0..<wanted).map { drawn in
        let place = below(count - drawn)
        defer { pool[place] = pool[count - drawn - 1] }
        return pool[place]
      }
    }
    var found: [Int] = []
    while found.count < wanted {
      let value = below(count)
      if !found.contains(value) { found.append(value) }
    }
    return found
  }
}
