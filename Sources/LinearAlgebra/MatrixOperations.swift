import CNumerics
import Runtime

/// The few heavy operations that all mathematics of the package uses.
///
/// Large ones are cut into tiles, which idle workers share. The cuts depend on the shapes alone, so the result does not
/// depend on the workers.
///
/// Shapes are the caller's contract and are checked by preconditions: a violation is a programming error, never the
/// consequence of an input file.
///
/// Other modules call generic code. It is compiled here for both scalars.

/// `C = alpha·op(A)·op(B) + beta·C`.
@_specialize(where Scalar == Float)
@_specialize(where Scalar == Double)
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
    // A plain zero, because 0·NaN is not one.
    if beta == 0 { return c.fill(0) }
    if beta == 1 { return }
    for i in 0..<m {
      let row = c.row(i)
      for j in 0..<n { row[j] *= beta }
    }
    return
  }
  Tiles(of: m, work: n * k).run { rows in
    let first = transposeA ? a.pointer + rows.lowerBound : a.row(rows.lowerBound)
    Scalar.routines.gemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(rows.count), blasint(n), blasint(k), alpha, first, blasint(a.stride), b.pointer, blasint(b.stride), beta,
      c.row(rows.lowerBound), blasint(c.stride))
  }
}

/// `G = XᵀX + beta·G` for `X` of shape `[tokens, n]`; only the upper triangle of `G` is written.
@_specialize(where Scalar == Float)
@_specialize(where Scalar == Double)
public func accumulateGram<Scalar: BLASScalar>(_ x: Matrix<Scalar>, accumulate beta: Scalar, into gram: Matrix<Scalar>)
{
  precondition(gram.rows == x.columns && gram.columns == x.columns, "a Gram matrix is [n, n] for inputs [tokens, n]")
  if x.columns == 0 { return }
  let tiles = Tiles(of: x.columns, work: x.columns * x.rows / 2)
  let upper = tiles.upper
  Threads.forEach(upper.count) { place in
    let (rows, columns) = upper[place]
    let part = gram.rows(rows).columns(columns)
    if rows == columns { return syrk(x.columns(rows), beta, part) }
    multiply(x.columns(rows), x.columns(columns), transposingA: true, accumulate: beta, into: part)
  }
}

private func syrk<Scalar: BLASScalar>(_ x: Matrix<Scalar>, _ beta: Scalar, _ gram: Matrix<Scalar>) {
  Scalar.routines.syrk(
    CblasRowMajor, CblasUpper, CblasTrans, blasint(x.columns), blasint(x.rows), 1, x.pointer, blasint(x.stride), beta,
    gram.pointer, blasint(gram.stride))
}

/// Copies the upper triangle of a square matrix onto its lower one.
@_specialize(where Scalar == Float)
@_specialize(where Scalar == Double)
public func mirrorUpperTriangle<Scalar>(_ matrix: Matrix<Scalar>) {
  // Works in tiles, so that rows and columns both stay in the cache.
  let (tile, order) = (32, matrix.rows)
  let strips = (order + tile - 1) / tile
  Threads.forEach(strips, workers: order >= 256 ? Threads.count : 1) { place, _ in
    // The longest first.
    let i0 = (strips - 1 - place) * tile
    for j0 in stride(from: 0, through: i0, by: tile) {
      for i in i0..<min(i0 + tile, order) {
        for j in j0..<min(j0 + tile, i) { matrix[i, j] = matrix[j, i] }
      }
    }
  }
}
