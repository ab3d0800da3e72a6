import Runtime

/// A range cut into tiles of nearly equal length, for an operation that treats the elements of the range alike.
struct Tiles {
  let length: Int
  let count: Int

  /// Approximate number of elements of a tile.
  private static let target = 512
  /// Number of multiplications that pays for another tile.
  static let worthwhile = 1 << 26

  /// - Parameters:
  ///   - length: number of elements of the range.
  ///   - work: multiplications for each element.
  init(of length: Int, work: Int) {
    self.length = length
    // The number is even, so that two workers end together.
    let pairs = (length + 2 * Self.target - 1) / (2 * Self.target)
    count = length <= Self.target || length * work < Self.worthwhile ? 1 : 2 * pairs
  }

  subscript(index: Int) -> Range<Int> { edge(index)..<edge(index + 1) }

  /// Multiples of eight, except at the end.
  private func edge(_ index: Int) -> Int { index == count ? length : index * length / count / 8 * 8 }

  /// The tiles of a square matrix on and right of its diagonal, row by row.
  var upper: [(rows: Range<Int>, columns: Range<Int>)] {
    (0..<count).flatMap { i in (i..<count).map { (self[i], self[$0]) } }
  }

  /// Runs `body` for every tile, on all workers if the caller is not one of them.
  func run(_ body: @Sendable (Range<Int>) -> Void) {
    if count == 1 { return body(0..<length) }
    Threads.forEach(count) { body(self[$0]) }
  }
}
