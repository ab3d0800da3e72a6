import CNumerics
import Runtime

/// The lower Cholesky factor `L` of a symmetric positive definite matrix, `A = L·Lᵀ`.
///
/// The factor of a leading block of `A` is the leading block of the factor. Nested repair uses this.
///
/// Everything runs in blocks, and nearly all of it is matrix products. Blocks on the diagonal are inverted, so that
/// triangular solves are products, too: on blocks of this size BLAS solves at a third of the speed of its products.
public struct CholeskyFactor<Scalar: BLASScalar>: Sendable {
  /// Shape `[n, n]`; the strictly upper triangle is meaningless.
  public let lower: Matrix<Scalar>

  /// Number of columns that are factorised before the matrix behind them is updated.
  private static var panel: Int { 192 }

  /// Factorises in place; `matrix` is overwritten and becomes `lower`.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` with the order of the first failing leading minor.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public init(factorising matrix: Matrix<Scalar>) throws(LinearAlgebraError) {
    precondition(matrix.rows == matrix.columns, "only a square matrix has a Cholesky factor")
    let order = matrix.rows
    let block = TriangularBlock<Scalar>(copied: order)
    for start in stride(from: 0, to: order, by: Self.panel) {
      let end = min(start + Self.panel, order)
      for first in stride(from: start, to: end, by: TriangularBlock<Scalar>.order) {
        let here = first..<min(first + TriangularBlock<Scalar>.order, end)
        let failing = block.factorise(matrix.rows(here).columns(here))
        if failing > 0 { throw .notPositiveDefinite(order: first + failing, size: order) }
        let below = matrix.rows(here.upperBound..<order)
        block.solveRight(below.columns(here))
        let next = here.upperBound..<end
        multiply(
          below.columns(here), below.rows(0..<next.count).columns(here), transposingB: true, scale: -1, accumulate: 1,
          into: below.columns(next))
      }
      let below = matrix.rows(end..<order)
      Self.subtractProduct(below.columns(start..<end), from: below.columns(end..<order))
    }
    lower = matrix
  }

  /// `A ← A − P·Pᵀ`, tiles on and below the diagonal.
  private static func subtractProduct(_ p: Matrix<Scalar>, from a: Matrix<Scalar>) {
    let upper = Tiles(of: p.rows, work: p.rows * p.columns / 2).upper
    Threads.forEach(upper.count) { place in
      let (columns, rows) = upper[place]
      let part = a.rows(rows).columns(columns)
      if rows == columns {
        Scalar.routines.syrk(
          CblasRowMajor, CblasLower, CblasNoTrans, blasint(part.rows), blasint(p.columns), -1, p.row(rows.lowerBound),
          blasint(p.stride), 1, part.pointer, blasint(part.stride))
      } else {
        multiply(p.rows(rows), p.rows(columns), transposingB: true, scale: -1, accumulate: 1, into: part)
      }
    }
  }

  private init(lower: Matrix<Scalar>) { self.lower = lower }

  public var order: Int { lower.rows }

  /// `B ← L[:s,:s]⁻¹·B` for `B` of `s` rows.
  public func solveLower(_ b: Matrix<Scalar>) { solve(b, transposed: false) }

  /// `B ← L[:s,:s]⁻ᵀ·B` for `B` of `s` rows.
  public func solveLowerTransposed(_ b: Matrix<Scalar>) { solve(b, transposed: true) }

  /// From the first block on, or from the last with the transpose.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private func solve(_ b: Matrix<Scalar>, transposed: Bool) {
    if solveFew(b, transposed: transposed) { return }
    @Sendable func inOrder(_ range: Range<Int>, _ length: Int) -> [Range<Int>] {
      let blocks = Self.blocks(range, of: length)
      return transposed ? blocks.reversed() : blocks
    }
    @Sendable func solved(_ here: Range<Int>, in range: Range<Int>) -> Range<Int> {
      transposed ? here.upperBound..<range.upperBound : range.lowerBound..<here.lowerBound
    }
    forEachColumns(of: b) { b in
      let block = TriangularBlock<Scalar>(copied: b.columns)
      for panel in inOrder(0..<b.rows, Self.panel) {
        subtract(panel, solved(panel, in: 0..<b.rows), of: b, transposed: transposed)
        for here in inOrder(panel, TriangularBlock<Scalar>.order) {
          subtract(here, solved(here, in: panel), of: b, transposed: transposed)
          block.invert(lower.rows(here).columns(here))
          block.multiplyLeft(b.rows(here), transposed: transposed)
        }
      }
    }
  }

  /// `B[here] ← B[here] − L[here, solved]·B[solved]`, or with `L[solved, here]ᵀ`.
  private func subtract(_ here: Range<Int>, _ solved: Range<Int>, of b: Matrix<Scalar>, transposed: Bool) {
    let factor = transposed ? lower.rows(solved).columns(here) : lower.rows(here).columns(solved)
    multiply(factor, b.rows(solved), transposingA: transposed, scale: -1, accumulate: 1, into: b.rows(here))
  }

  /// For few columns a solve is cheaper than the inverses of the blocks.
  private func solveFew(_ b: Matrix<Scalar>, transposed: Bool) -> Bool {
    precondition(b.rows <= order, "more right-hand rows than the factor has")
    if b.columns >= TriangularBlock<Scalar>.order { return false }
    if b.rows > 0, b.columns > 0 { apply(Scalar.routines.trsm, to: b, transposed: transposed) }
    return true
  }

  private func apply(_ routine: BLASRoutines<Scalar>.Triangular, to b: Matrix<Scalar>, transposed: Bool) {
    routine(
      CblasRowMajor, CblasLeft, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, blasint(b.rows),
      blasint(b.columns), 1, lower.pointer, blasint(lower.stride), b.pointer, blasint(b.stride))
  }

  private static func blocks(_ range: Range<Int>, of length: Int) -> [Range<Int>] {
    stride(from: range.lowerBound, to: range.upperBound, by: length).map { $0..<min($0 + length, range.upperBound) }
  }

  /// `B ← Lᵀ·B` for `B` of `n` rows.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func multiplyTransposed(_ b: Matrix<Scalar>) {
    precondition(b.rows == order, "the factor and the right-hand side differ in rows")
    forEachColumns(of: b) { apply(Scalar.routines.trmm, to: $0, transposed: true) }
  }

  /// Right-hand sides are independent, so tiles of them go to the workers.
  private func forEachColumns(of b: Matrix<Scalar>, _ body: @Sendable (Matrix<Scalar>) -> Void) {
    if b.rows == 0 || b.columns == 0 { return }
    Tiles(of: b.columns, work: b.rows * b.rows / 2).run { body(b.columns($0)) }
  }

  /// The factor of `A` with one row and column more, in O(n²): `L` stays and gets the row `[L⁻¹·c, √(d − ‖L⁻¹·c‖²)]`.
  ///
  /// - Parameters:
  ///   - column: `c`, the new column of `A` above its diagonal element, `n` values.
  ///   - diagonal: `d`, the new element on the diagonal.
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` if the larger matrix is not.
  public func extended(column: [Scalar], diagonal: Scalar) throws(LinearAlgebraError) -> CholeskyFactor {
    precondition(column.count == order, "a new column has as many elements as the factor has rows")
    let solved = Matrix(column, rows: order, columns: 1)
    solveLower(solved)
    var pivot = diagonal
    for i in 0..<order { pivot -= solved[i, 0] * solved[i, 0] }
    if !(pivot > 0 && pivot.isFinite) { throw .notPositiveDefinite(order: order + 1, size: order + 1) }
    let result = Matrix<Scalar>(uninitialized: order + 1, columns: order + 1)
    result.rows(0..<order).columns(0..<order).assign(lower)
    for i in 0..<order { result[order, i] = solved[i, 0] }
    result[order, order] = pivot.squareRoot()
    return CholeskyFactor(lower: result)
  }

  /// `A⁻¹`, both triangles, as a new matrix.
  public func inverse() -> Matrix<Scalar> {
    let result = Matrix<Scalar>(uninitialized: order, columns: order)
    writeInverse(to: result)
    return result
  }

  /// Replaces a symmetric positive definite matrix by its inverse, both triangles. Needs one more matrix of the order
  /// meanwhile.
  ///
  /// - Throws: as `init(factorising:)`.
  public static func invert(_ matrix: Matrix<Scalar>) throws(LinearAlgebraError) {
    try CholeskyFactor(factorising: matrix).writeInverse(to: matrix)
  }

  /// The diagonal of `A⁻¹`: the squared lengths of the columns of `L⁻¹`, a few of which exist at a time.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  public func inverseDiagonal() -> [Scalar] {
    let (blocks, result) = (inverseBlocks, Matrix<Scalar>(rows: 1, columns: order))
    Threads.forEach(blocks.count) { place in
      let columns = Matrix<Scalar>(uninitialized: order - blocks[place].lowerBound, columns: blocks[place].count)
      writeInverseColumns(blocks[place], to: columns)
      let lengths = result.row(0) + blocks[place].lowerBound
      for i in 0..<columns.rows {
        let row = columns.row(i)
        for j in 0..<columns.columns { lengths[j] += row[j] * row[j] }
      }
    }
    return result.elements
  }

  /// Columns of `L⁻¹`, from the diagonal element of the first one on.
  private func writeInverseColumns(_ range: Range<Int>, to x: Matrix<Scalar>) {
    let rows = range.lowerBound..<order
    x.fill(0)
    for i in 0..<range.count { x[i, i] = 1 }
    CholeskyFactor(lower: lower.rows(rows).columns(rows)).solveLower(x)
  }

  /// `L⁻¹`; nothing is written above the blocks on the diagonal.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private func lowerInverse() -> Matrix<Scalar> {
    let blocks = inverseBlocks
    let x = Matrix<Scalar>(uninitialized: order, columns: order)
    Threads.forEach(blocks.count) { place in
      let columns = blocks[place]
      writeInverseColumns(columns, to: x.rows(columns.lowerBound..<order).columns(columns))
    }
    return x
  }

  private var inverseBlocks: [Range<Int>] { Self.blocks(0..<order, of: max(128, order / 32)) }

  /// - Parameter result: may be the memory of the factor.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private func writeInverse(to result: Matrix<Scalar>) {
    // A⁻¹ = Xᵀ·X with X = L⁻¹.
    let (x, blocks) = (lowerInverse(), inverseBlocks)
    let pairs = blocks.indices.flatMap { i in (i..<blocks.count).map { (blocks[i], blocks[$0]) } }
    Threads.forEach(pairs.count) { place in
      let (rows, columns) = pairs[place]
      let part = x.rows(columns.lowerBound..<order)
      multiply(
        part.columns(rows), part.columns(columns), transposingA: true, into: result.rows(rows).columns(columns))
    }
    mirrorUpperTriangle(result)
  }
}
