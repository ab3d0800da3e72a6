import Glibc

/// A dense row-major matrix, or a window into one.
///
/// A `Matrix` is a handle: copying it copies the reference, not the elements, and a view made by `rows(_:)` or
/// `columns(_:)` writes through to its parent. Element `(i, j)` lives at `pointer[i * stride + j]`. Weights that come
/// straight from a mapped file are read-only pages; nothing in the package writes to a matrix it did not allocate.
public struct Matrix<Scalar: BLASScalar>: @unchecked Sendable {
  public let pointer: UnsafeMutablePointer<Scalar>
  public let rows: Int
  public let columns: Int
  /// Elements between the starts of two consecutive rows; at least `columns`.
  public let stride: Int
  private let owner: AnyObject

  /// A matrix of zeros, 64-byte aligned.
  public init(rows: Int, columns: Int) {
    self.init(uninitialized: rows, columns: columns)
    memset(pointer, 0, count * MemoryLayout<Scalar>.stride)
  }

  /// A matrix whose elements the caller writes before anything reads them; 64-byte aligned.
  public init(uninitialized rows: Int, columns: Int) {
    let storage = Storage<Scalar>(count: rows * columns)
    self.init(viewing: storage.pointer, rows: rows, columns: columns, stride: columns, owner: storage)
  }

  /// A view of memory that `owner` keeps alive.
  public init(viewing pointer: UnsafeMutablePointer<Scalar>, rows: Int, columns: Int, stride: Int, owner: AnyObject) {
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
    self.stride = stride
    self.owner = owner
  }

  /// A copy of `elements`, given row by row.
  public init(_ elements: [Scalar], rows: Int, columns: Int) {
    precondition(elements.count == rows * columns, "element count must be rows × columns")
    self.init(uninitialized: rows, columns: columns)
    elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { Self.move(base, to: pointer, count: source.count) }
    }
  }

  public var count: Int { rows * columns }
  public var isContiguous: Bool { stride == columns }

  public subscript(row: Int, column: Int) -> Scalar {
    get { pointer[row * stride + column] }
    nonmutating set { pointer[row * stride + column] = newValue }
  }

  /// Pointer to the first element of a row.
  public func row(_ index: Int) -> UnsafeMutablePointer<Scalar> { pointer + index * stride }

  /// A view of consecutive rows.
  public func rows(_ range: Range<Int>) -> Matrix {
    Matrix(viewing: row(range.lowerBound), rows: range.count, columns: columns, stride: stride, owner: owner)
  }

  /// A view of consecutive columns.
  public func columns(_ range: Range<Int>) -> Matrix {
    Matrix(viewing: pointer + range.lowerBound, rows: rows, columns: range.count, stride: stride, owner: owner)
  }

  /// A view of the same memory with another shape of at most as many elements (contiguous matrices only).
  public func reshaped(rows: Int, columns: Int) -> Matrix {
    precondition(
      isContiguous && rows * columns <= count, "only a contiguous matrix can be reshaped, to no more elements")
    return Matrix(viewing: pointer, rows: rows, columns: columns, stride: columns, owner: owner)
  }

  /// A matrix of one row seen as several rows of `width` elements each.
  public func folded(columns width: Int) -> Matrix {
    precondition(rows == 1 && columns % width == 0, "only a single row folds, into full rows")
    return Matrix(viewing: pointer, rows: columns / width, columns: width, stride: width, owner: owner)
  }

  /// A contiguous copy of the elements.
  public func copy() -> Matrix {
    let result = Matrix(uninitialized: rows, columns: columns)
    result.assign(self)
    return result
  }

  /// Overwrites the elements with those of a matrix of the same shape.
  public func assign(_ other: Matrix) {
    precondition(rows == other.rows && columns == other.columns, "shapes must agree")
    for i in 0..<rows { Self.move(other.row(i), to: row(i), count: columns) }
  }

  /// The scalars are plain bytes. Generic code of the standard library would copy them one by one.
  private static func move(
    _ source: UnsafePointer<Scalar>, to target: UnsafeMutablePointer<Scalar>, count: Int
  ) {
    memcpy(target, source, count * MemoryLayout<Scalar>.stride)
  }

  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func fill(_ value: Scalar) {
    for i in 0..<rows { row(i).update(repeating: value, count: columns) }
  }

  /// The elements row by row.
  public var elements: [Scalar] {
    (0..<rows).flatMap { Array(UnsafeBufferPointer(start: row($0), count: columns)) }
  }

  /// The rows in the given order, as a new matrix.
  public func gatherRows(_ indices: [Int]) -> Matrix {
    let result = Matrix(uninitialized: indices.count, columns: columns)
    for (i, index) in indices.enumerated() { Self.move(row(index), to: result.row(i), count: columns) }
    return result
  }

  /// The columns in the given order, as a new matrix.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func gatherColumns(_ indices: [Int]) -> Matrix {
    let result = Matrix(uninitialized: rows, columns: indices.count)
    indices.withUnsafeBufferPointer { indices in
      for i in 0..<rows {
        let source = row(i)
        let target = result.row(i)
        for (j, index) in indices.enumerated() { target[j] = source[index] }
      }
    }
    return result
  }
}

extension Matrix where Scalar == Float {
  /// The same values in double precision.
  public func widened() -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: rows, columns: columns)
    for i in 0..<rows {
      let source = row(i)
      let target = result.row(i)
      for j in 0..<columns { target[j] = Double(source[j]) }
    }
    return result
  }

  /// The Gram matrix in double precision with a share of its mean diagonal added to the diagonal, so that it can be
  /// inverted even if inputs depend on one another. A Gram matrix of zeros becomes the identity.
  ///
  /// - Parameter order: the rows and columns in another order.
  public func damped(_ share: Double, order: [Int]? = nil) -> Matrix<Double> {
    let result = order.map { gathered($0) } ?? widened()
    let trace = (0..<result.rows).reduce(0.0) { $0 + result[$1, $1] }
    let lambda = trace > 0 ? share * trace / Double(max(1, result.rows)) : 1
    for i in 0..<result.rows { result[i, i] += lambda }
    return result
  }

  /// The rows and the columns in an order, in double precision.
  private func gathered(_ order: [Int]) -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: order.count, columns: order.count)
    order.withUnsafeBufferPointer { order in
      for (i, row) in order.enumerated() {
        let source = self.row(row)
        let target = result.row(i)
        for (j, column) in order.enumerated() { target[j] = Double(source[column]) }
      }
    }
    return result
  }

  /// The columns in the given order as rows, in double precision.
  public func columnsAsRows(_ order: [Int]) -> Matrix<Double> {
    let result = Matrix<Double>(uninitialized: order.count, columns: rows)
    let tile = 16
    for first in Swift.stride(from: 0, to: rows, by: tile) {
      let last = min(first + tile, rows)
      for (i, column) in order.enumerated() {
        let target = result.row(i)
        for j in first..<last { target[j] = Double(pointer[j * stride + column]) }
      }
    }
    return result
  }
}

extension Matrix where Scalar == Double {
  public func transposed() -> Matrix { transposed { $0 } }

  /// The transpose rounded to single precision.
  public func transposedNarrowed() -> Matrix<Float> { transposed { Float($0) } }

  /// Works in tiles, so that rows and columns both stay in the cache.
  @inline(__always)
  private func transposed<Other>(_ converted: (Double) -> Other) -> Matrix<Other> {
    let result = Matrix<Other>(uninitialized: columns, columns: rows)
    let tile = 16
    for i0 in Swift.stride(from: 0, to: rows, by: tile) {
      for j0 in Swift.stride(from: 0, to: columns, by: tile) {
        for i in i0..<min(i0 + tile, rows) {
          for j in j0..<min(j0 + tile, columns) { result.pointer[j * rows + i] = converted(pointer[i * stride + j]) }
        }
      }
    }
    return result
  }
}

/// Memory that frees itself, 64-byte aligned.
final class Storage<Element: BitwiseCopyable>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>

  init(count: Int) {
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let raw = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    pointer = raw.bindMemory(to: Element.self, capacity: max(count, 1))
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
