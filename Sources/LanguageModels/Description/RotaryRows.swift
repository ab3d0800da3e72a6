import LinearAlgebra

/// The orders of the rows of a head in Q and K.
///
/// In memory row `j` is turned with row `j + D/2` ("half-split"). A file may store the rows that are turned together side
/// by side ("interleaved"), and may turn only the first `turned` rows of each head.
public struct RotaryRows: Sendable {
  let headDimension: Int
  let turned: Int
  let interleaved: Bool

  /// - Parameter turned: dimensions of each head that are turned; `nil` for all.
  public init(headDimension: Int, turned: Int? = nil, interleaved: Bool) {
    self.headDimension = headDimension
    self.turned = turned ?? headDimension
    self.interleaved = interleaved
  }

  /// Whether the file has the rows in the order of memory.
  public var isIdentity: Bool { !interleaved && turned == headDimension }

  /// `result[i]` is the row in memory that stands at place `i` of the file.
  public func inFile(rows: Int) -> [Int] {
    (0..<rows).map { $0 / headDimension * headDimension + row(at: $0 % headDimension) }
  }

  /// `result[i]` is the place in the file of row `i` in memory: the inverse.
  public func inMemory(rows: Int) -> [Int] {
    var inverse = Array(repeating: 0, count: rows)
    for (place, row) in inFile(rows: rows).enumerated() { inverse[row] = place }
    return inverse
  }

  /// The map with the rows that are not turned divided by the factor of cosines and sines, which files mean for the turned
  /// rows only, and `RotaryEmbedding` multiplies all by.
  func shortening(_ linear: Linear, by factor: Float) -> Linear {
    var result = linear
    let half = headDimension / 2
    for row in 0..<linear.outputs where row % half >= turned / 2 {
      Kernels.scale(linear.weight.row(row), by: 1 / factor, count: linear.inputs)
      result.bias?[row] /= factor
    }
    return result
  }

  /// The row of a head that stands at a place. The rows that are not turned fill up both halves.
  private func row(at place: Int) -> Int {
    let half = headDimension / 2
    if place < turned {
      return interleaved ? place / 2 + place % 2 * half : place < turned / 2 ? place : place - turned / 2 + half
    }
    let (still, number) = ((headDimension - turned) / 2, place - turned)
    return number < still ? turned / 2 + number : half + turned / 2 + number - still
  }
}

extension Linear {
  /// The same map with its outputs in another order.
  public func reorderingOutputs(_ order: [Int]) -> Linear {
    Linear(weight: weight.gatherRows(order), bias: bias.map { bias in order.map { bias[$0] } })
  }
}
