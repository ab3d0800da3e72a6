import CNumerics

/// The element types that OpenBLAS computes with: `Float` and `Double`.
///
/// The requirements are the BLAS and LAPACK routines that the package needs, row-major, one to one; call the
/// operations of `MatrixOperations.swift` instead.
public protocol BLASScalar: BinaryFloatingPoint, Sendable {
  static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Self,
    _ a: UnsafePointer<Self>, _ lda: Int, _ b: UnsafePointer<Self>, _ ldb: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ ldc: Int)

  /// `C = alpha·Aᵀ·A + beta·C`, upper triangle, `A` of shape `[k, n]`.
  static func syrk(
    _ n: Int, _ k: Int, _ alpha: Self, _ a: UnsafePointer<Self>, _ lda: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ ldc: Int)

  /// `B = op(L)⁻¹·B` in place, `L` lower triangular of shape `[m, m]`, `B` of shape `[m, n]`.
  static func trsm(
    transposed: Bool, _ m: Int, _ n: Int, _ l: UnsafePointer<Self>, _ ldl: Int,
    _ b: UnsafeMutablePointer<Self>, _ ldb: Int)

  /// `B = Lᵀ·B` in place, `L` lower triangular of shape `[m, m]`, `B` of shape `[m, n]`.
  static func trmmTransposed(
    _ m: Int, _ n: Int, _ l: UnsafePointer<Self>, _ ldl: Int, _ b: UnsafeMutablePointer<Self>, _ ldb: Int)

  /// Cholesky factor of the symmetric `[n, n]` matrix `a`, written to its lower triangle (row-major).
  /// Returns LAPACK's `info`: 0, or the order of the first leading minor that is not positive.
  static func potrf(_ n: Int, _ a: UnsafeMutablePointer<Self>, _ lda: Int) -> Int

  /// The inverse of the `[n, n]` matrix whose Cholesky factor stands in the lower triangle of `a` (row-major), written
  /// to that triangle. Returns LAPACK's `info`: 0, or the index of a zero on the factor's diagonal.
  static func potri(_ n: Int, _ a: UnsafeMutablePointer<Self>, _ lda: Int) -> Int
}

extension Float: BLASScalar {
  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float,
    _ a: UnsafePointer<Float>, _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int,
    _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }

  public static func syrk(
    _ n: Int, _ k: Int, _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int,
    _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    cblas_ssyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(n), blasint(k), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  public static func trsm(
    transposed: Bool, _ m: Int, _ n: Int, _ l: UnsafePointer<Float>, _ ldl: Int,
    _ b: UnsafeMutablePointer<Float>, _ ldb: Int
  ) {
    cblas_strsm(
      CblasRowMajor, CblasLeft, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
      blasint(m), blasint(n), 1, l, blasint(ldl), b, blasint(ldb))
  }

  public static func trmmTransposed(
    _ m: Int, _ n: Int, _ l: UnsafePointer<Float>, _ ldl: Int, _ b: UnsafeMutablePointer<Float>, _ ldb: Int
  ) {
    cblas_strmm(
      CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit,
      blasint(m), blasint(n), 1, l, blasint(ldl), b, blasint(ldb))
  }

  public static func potrf(_ n: Int, _ a: UnsafeMutablePointer<Float>, _ lda: Int) -> Int {
    var order = Int32(n)
    var leading = Int32(lda)
    var info: Int32 = 0
    // LAPACK reads columns where we store rows, so its upper factor is our lower one.
    spotrf_("U", &order, a, &leading, &info)
    return Int(info)
  }

  public static func potri(_ n: Int, _ a: UnsafeMutablePointer<Float>, _ lda: Int) -> Int {
    var order = Int32(n)
    var leading = Int32(lda)
    var info: Int32 = 0
    spotri_("U", &order, a, &leading, &info)
    return Int(info)
  }
}

extension Double: BLASScalar {
  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Double,
    _ a: UnsafePointer<Double>, _ lda: Int, _ b: UnsafePointer<Double>, _ ldb: Int,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c, blasint(ldc))
  }

  public static func syrk(
    _ n: Int, _ k: Int, _ alpha: Double, _ a: UnsafePointer<Double>, _ lda: Int,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    cblas_dsyrk(
      CblasRowMajor, CblasUpper, CblasTrans, blasint(n), blasint(k), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  public static func trsm(
    transposed: Bool, _ m: Int, _ n: Int, _ l: UnsafePointer<Double>, _ ldl: Int,
    _ b: UnsafeMutablePointer<Double>, _ ldb: Int
  ) {
    cblas_dtrsm(
      CblasRowMajor, CblasLeft, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit,
      blasint(m), blasint(n), 1, l, blasint(ldl), b, blasint(ldb))
  }

  public static func trmmTransposed(
    _ m: Int, _ n: Int, _ l: UnsafePointer<Double>, _ ldl: Int, _ b: UnsafeMutablePointer<Double>, _ ldb: Int
  ) {
    cblas_dtrmm(
      CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit,
      blasint(m), blasint(n), 1, l, blasint(ldl), b, blasint(ldb))
  }

  public static func potrf(_ n: Int, _ a: UnsafeMutablePointer<Double>, _ lda: Int) -> Int {
    var order = Int32(n)
    var leading = Int32(lda)
    var info: Int32 = 0
    dpotrf_("U", &order, a, &leading, &info)
    return Int(info)
  }

  public static func potri(_ n: Int, _ a: UnsafeMutablePointer<Double>, _ lda: Int) -> Int {
    var order = Int32(n)
    var leading = Int32(lda)
    var info: Int32 = 0
    dpotri_("U", &order, a, &leading, &info)
    return Int(info)
  }
}
