/// The number of exact zeros of a matrix.
extension Matrix where Scalar == Float {
  private typealias Lanes = SIMD16<Float>

  /// Elements that are zero.
  public var zeroCount: Int {
    var total = 0
    for row in 0..<rows {
      let start = UnsafeRawPointer(self.row(row))
      var counts = SIMD16<Int32>.zero
      let whole = columns / Lanes.scalarCount
      for lane in 0..<whole {
        let values = start.loadUnaligned(fromByteOffset: lane * MemoryLayout<Lanes>.size, as: Lanes.self)
        counts.replace(with: counts &+ 1, where: values .== 0)
      }
      total += Int(counts.wrappedSum())
      for column in whole * Lanes.scalarCount..<columns where self[row, column] == 0 { total += 1 }
    }
    return total
  }

  /// Elements that lie in rows or columns that hold only zeros.
  public var countInZeroLines: Int {
    var largest = [Float](repeating: 0, count: columns)
    var emptyRows = 0
    for row in 0..<rows {
      let source = self.row(row)
      var found = false
      for column in 0..<columns {
        let size = abs(source[column])
        largest[column] = max(largest[column], size)
        found = found || size > 0
      }
      if !found { emptyRows += 1 }
    }
    let emptyColumns = largest.count { $0 == 0 }
    return emptyRows * columns + emptyColumns * rows - emptyRows * emptyColumns
  }
}
