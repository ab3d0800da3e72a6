extension Matrix where Scalar == Float {
  /// Uniform random numbers between −`magnitude` and `magnitude`, the same for a seed on any machine.
  ///
  /// Sixteen 32-bit xorshift generators for each row (Marsaglia, "Xorshift RNGs", 2003), started from
  /// `SeededGenerator`. They are fast enough for gigabytes of weights that only need to look random to a matrix
  /// product; they are not for statistics.
  public func fillUniform(magnitude: Float, seed: UInt64) {
    for index in 0..<rows {
      var generator = SeededGenerator(seed: seed, stream: UInt64(index))
      var state = SIMD16<UInt32>()
      for lane in state.indices { state[lane] = UInt32(truncatingIfNeeded: generator.next()) | 1 }
      let row = row(index)
      var place = 0
      while place < columns {
        state ^= state &<< 13
        state ^= state &>> 17
        state ^= state &<< 5
        // 23 bits of mantissa make a number from 1 to 2.
        let bits = state &>> 9 | SIMD16<UInt32>(repeating: 0x3f80_0000)
        let values = (unsafeBitCast(bits, to: SIMD16<Float>.self) - 1.5) * (2 * magnitude)
        if place + 16 <= columns {
          UnsafeMutableRawPointer(row + place).storeBytes(of: values, as: SIMD16<Float>.self)
        } else {
          for lane in 0..<columns - place { row[place + lane] = values[lane] }
        }
        place += 16
      }
    }
  }
}
