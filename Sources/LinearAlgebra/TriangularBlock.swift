/// A small lower triangular block with its inverse, which turns a solve into a matrix product.
///
/// Holds the memory that one factorisation or solve needs for all of its blocks.
struct TriangularBlock<Scalar: BLASScalar> {
  /// Largest order of a block.
  static var order: Int { 64 }

  private let inverse: Matrix<Scalar>
  /// The block's columns as rows, while it is factorised.
  private let transposed: Matrix<Scalar>
  /// A copy of the matrix that is multiplied in place.
  private let copy: Matrix<Scalar>

  /// - Parameter copied: largest number of rows of a solve from the right, or of columns of a product from the left.
  init(copied: Int) {
    inverse = Matrix(rows: Self.order, columns: Self.order)
    transposed = Matrix(rows: Self.order, columns: Self.order)
    copy = Matrix(uninitialized: Self.order, columns: max(1, copied))
  }

  /// Factorises a block on the diagonal in place, its lower triangle, and inverts it.
  ///
  /// - Returns: 0, or the order of the first leading minor that is not positive and finite.
  func factorise(_ block: Matrix<Scalar>) -> Int {
    let failing = Scalar.routines.factorise(
      block.rows, block.pointer, block.stride, transposed.pointer, transposed.stride)
    if failing == 0 { invert(block) }
    return failing
  }

  /// Inverts a lower triangular block.
  func invert(_ block: Matrix<Scalar>) {
    Scalar.routines.invertLower(block.rows, block.pointer, block.stride, inverse.pointer, inverse.stride)
  }

  /// `B ← B·L⁻ᵀ`.
  func solveRight(_ b: Matrix<Scalar>) {
    if b.rows == 0 { return }
    let source = copy.reshaped(rows: b.rows, columns: b.columns)
    source.assign(b)
    multiply(source, inverse(b.columns), transposingB: true, into: b)
  }

  /// `B ← L⁻¹·B`, or `L⁻ᵀ·B`.
  func multiplyLeft(_ b: Matrix<Scalar>, transposed: Bool) {
    let source = copy.reshaped(rows: b.rows, columns: b.columns)
    source.assign(b)
    multiply(inverse(b.rows), source, transposingA: transposed, into: b)
  }

  private func inverse(_ order: Int) -> Matrix<Scalar> { inverse.rows(0..<order).columns(0..<order) }
}
