/// The few heavy operations that all mathematics of the package goes through.
///
/// Shapes are the caller's contract and are checked by preconditions: a violation is a programming error, never the
/// consequence of an input file.

/// `C = alpha·op(A)·op(B) + beta·C`.
public func multiply<Scalar: BLASScalar>(
  _ a: Matrix<Scalar>, _ b: Matrix<Scalar>, transposingA transposeA: Bool = false,
  transposingB transposeB: Bool = false, scale alpha: Scalar = 1, accumulate beta: Scalar = 0, into c: Matrix<Scalar>
) {
  let m = transposeA ? a.columns : a.rows
  let k = transposeA ? a.rows : a.columns
  let n = transposeB ? b.rows : b.columns
  precondition(k == (transposeB ? b.columns : b.rows) && c.rows == m && c.columns == n, "shapes of a product disagree")
  if m == 0 || n == 0 { return }
  if k == 0 {
    for i in 0..<m {
      let row = c.row(i)
      // A plain zero, because 0·NaN is not one.
      for j in 0..<n { row[j] = beta == 0 ? 0 : beta * row[j] }
    }
    return
  }
  Scalar.gemm(
    transposeA, transposeB, m, n, k, alpha, a.pointer, a.stride, b.pointer, b.stride, beta, c.pointer, c.stride)
}

/// `G = XᵀX + beta·G` for `X` of shape `[tokens, n]`; only the upper triangle of `G` is written.
public func accumulateGram<Scalar: BLASScalar>(_ x: Matrix<Scalar>, accumulate beta: Scalar, into gram: Matrix<Scalar>)
{
  precondition(gram.rows == x.columns && gram.columns == x.columns, "a Gram matrix is [n, n] for inputs [tokens, n]")
  if x.columns == 0 { return }
  Scalar.syrk(x.columns, x.rows, 1, x.pointer, x.stride, beta, gram.pointer, gram.stride)
}

/// Copies the upper triangle of a square matrix onto its lower one.
public func mirrorUpperTriangle<Scalar>(_ matrix: Matrix<Scalar>) {
  forEachBelowDiagonal(matrix.rows) { matrix[$0, $1] = matrix[$1, $0] }
}

/// The rows and columns below the diagonal, in tiles, so that rows and columns both stay in the cache.
@inline(__always)
private func forEachBelowDiagonal(_ order: Int, _ body: (_ row: Int, _ column: Int) -> Void) {
  let tile = 32
  for i0 in stride(from: 0, to: order, by: tile) {
    for j0 in stride(from: 0, through: i0, by: tile) {
      for i in i0..<min(i0 + tile, order) {
        for j in j0..<min(j0 + tile, i) { body(i, j) }
      }
    }
  }
}

/// The lower Cholesky factor `L` of a symmetric positive definite matrix, `A = L·Lᵀ`.
///
/// The factor of a leading block of `A` is the leading block of the factor, which is what nested reformation uses.
public struct CholeskyFactor<Scalar: BLASScalar>: Sendable {
  /// Shape `[n, n]`; the strictly upper triangle is meaningless.
  public let lower: Matrix<Scalar>

  /// Factorises in place; `matrix` is overwritten and becomes `lower`.
  ///
  /// - Throws: `LinearAlgebraError.notPositiveDefinite` with the order of the first failing leading minor.
  public init(factorising matrix: Matrix<Scalar>) throws(LinearAlgebraError) {
    precondition(matrix.rows == matrix.columns, "only a square matrix has a Cholesky factor")
    if matrix.rows > 0 {
      let info = Scalar.potrf(matrix.rows, matrix.pointer, matrix.stride)
      if info != 0 { throw .notPositiveDefinite(order: info, size: matrix.rows) }
      // LAPACK lets NaN and infinity through; whatever row they stand in, the pivot of that row is not finite.
      for i in 0..<matrix.rows where !matrix[i, i].isFinite {
        throw .notPositiveDefinite(order: i + 1, size: matrix.rows)
      }
    }
    lower = matrix
  }

  public var order: Int { lower.rows }

  /// `B ← L[:s,:s]⁻¹·B` for `B` of `s` rows.
  public func solveLower(_ b: Matrix<Scalar>) { solve(b, transposed: false) }

  /// `B ← L[:s,:s]⁻ᵀ·B` for `B` of `s` rows.
  public func solveLowerTransposed(_ b: Matrix<Scalar>) { solve(b, transposed: true) }

  private func solve(_ b: Matrix<Scalar>, transposed: Bool) {
    precondition(b.rows <= order, "more right-hand rows than the factor has")
    if b.rows == 0 || b.columns == 0 { return }
    Scalar.trsm(transposed: transposed, b.rows, b.columns, lower.pointer, lower.stride, b.pointer, b.stride)
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

  private init(lower: Matrix<Scalar>) { self.lower = lower }

  /// `A⁻¹`, both triangles, as a new matrix.
  public func inverse() -> Matrix<Scalar> {
    let result = lower.copy()
    if order == 0 { return result }
    // The pivots of a factor are positive, so LAPACK finds no zero among them.
    _ = Scalar.potri(order, result.pointer, result.stride)
    forEachBelowDiagonal(order) { result[$1, $0] = result[$0, $1] }
    return result
  }

  /// `B ← Lᵀ·B` for `B` of `n` rows.
  public func multiplyTransposed(_ b: Matrix<Scalar>) {
    precondition(b.rows == order, "the factor and the right-hand side differ in rows")
    if b.rows == 0 || b.columns == 0 { return }
    Scalar.trmmTransposed(b.rows, b.columns, lower.pointer, lower.stride, b.pointer, b.stride)
  }
}

public enum LinearAlgebraError: Error, Equatable, CustomStringConvertible {
  case notPositiveDefinite(order: Int, size: Int)

  public var description: String {
    switch self {
    case .notPositiveDefinite(let order, let size):
      "matrix of order \(size) is not positive definite (leading minor \(order))"
    }
  }
}
