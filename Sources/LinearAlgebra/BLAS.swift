import CKernels
import CNumerics

/// The element types that OpenBLAS computes with: `Float` and `Double`.
///
/// The requirements are the BLAS routines that the package needs (row-major, one to one), and loops that depend on the
/// type. Callers use the operations of `MatrixOperations.swift` and `CholeskyFactor` instead.
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

  /// `C = alpha·A·Aᵀ + beta·C`, lower triangle, `A` of shape `[n, k]`.
  static func syrkLower(
    _ n: Int, _ k: Int, _ alpha: Self, _ a: UnsafePointer<Self>, _ lda: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ ldc: Int)

  /// The Cholesky factor of the lower triangle of `a`, in place and without BLAS, for small blocks.
  ///
  /// - Parameter work: shape `[n, n]`.
  /// - Returns: 0, or the order of the first leading minor that is not positive and finite.
  static func factorise(
    _ n: Int, _ a: UnsafeMutablePointer<Self>, _ lda: Int, _ work: UnsafeMutablePointer<Self>, _ ldw: Int
  ) -> Int

  /// `X = L⁻¹` of the lower triangular `L`, with zeros above its diagonal, without BLAS, for small blocks.
  static func invertLower(
    _ n: Int, _ l: UnsafePointer<Self>, _ ldl: Int, _ x: UnsafeMutablePointer<Self>, _ ldx: Int)
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

  public static func syrkLower(
    _ n: Int, _ k: Int, _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int,
    _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
  ) {
    cblas_ssyrk(
      CblasRowMajor, CblasLower, CblasNoTrans, blasint(n), blasint(k), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  public static func factorise(
    _ n: Int, _ a: UnsafeMutablePointer<Float>, _ lda: Int, _ work: UnsafeMutablePointer<Float>, _ ldw: Int
  ) -> Int { Kernels.best.factorise_float(n, a, lda, work, ldw) }

  public static func invertLower(
    _ n: Int, _ l: UnsafePointer<Float>, _ ldl: Int, _ x: UnsafeMutablePointer<Float>, _ ldx: Int
  ) { Kernels.best.invert_lower_float(n, l, ldl, x, ldx) }

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

  public static func syrkLower(
    _ n: Int, _ k: Int, _ alpha: Double, _ a: UnsafePointer<Double>, _ lda: Int,
    _ beta: Double, _ c: UnsafeMutablePointer<Double>, _ ldc: Int
  ) {
    cblas_dsyrk(
      CblasRowMajor, CblasLower, CblasNoTrans, blasint(n), blasint(k), alpha, a, blasint(lda), beta, c, blasint(ldc))
  }

  public static func factorise(
    _ n: Int, _ a: UnsafeMutablePointer<Double>, _ lda: Int, _ work: UnsafeMutablePointer<Double>, _ ldw: Int
  ) -> Int { Kernels.best.factorise_double(n, a, lda, work, ldw) }

  public static func invertLower(
    _ n: Int, _ l: UnsafePointer<Double>, _ ldl: Int, _ x: UnsafeMutablePointer<Double>, _ ldx: Int
  ) { Kernels.best.invert_lower_double(n, l, ldl, x, ldx) }

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

}
