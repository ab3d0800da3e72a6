import CKernels
import CNumerics

/// The element types that OpenBLAS computes with: `Float` and `Double`.
///
/// Callers use the operations of `MatrixOperations.swift` and `CholeskyFactor` instead.
public protocol BLASScalar: BinaryFloatingPoint, BitwiseCopyable, Sendable {
  static var routines: BLASRoutines<Self> { get }
}

/// The routines of one element type. Matrices are row-major, and each is followed by its stride.
public struct BLASRoutines<Scalar>: Sendable {
  typealias Input = UnsafePointer<Scalar>?
  typealias Output = UnsafeMutablePointer<Scalar>?
  typealias Triangular =
    @Sendable (
      CBLAS_ORDER, CBLAS_SIDE, CBLAS_UPLO, CBLAS_TRANSPOSE, CBLAS_DIAG, blasint, blasint, Scalar, Input, blasint,
      Output, blasint
    ) -> Void

  /// `C = alpha·op(A)·op(B) + beta·C`.
  let gemm:
    @Sendable (
      CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, Scalar, Input, blasint, Input, blasint,
      Scalar, Output, blasint
    ) -> Void
  /// `C = alpha·op(A)·op(A)ᵀ + beta·C`, one triangle.
  let syrk:
    @Sendable (
      CBLAS_ORDER, CBLAS_UPLO, CBLAS_TRANSPOSE, blasint, blasint, Scalar, Input, blasint, Scalar, Output, blasint
    ) -> Void
  /// `B = alpha·op(L)⁻¹·B` in place.
  let trsm: Triangular
  /// `B = alpha·op(L)·B` in place.
  let trmm: Triangular
  /// The Cholesky factor of the lower triangle of `a` of order `n`, in place and without BLAS, for small blocks; `work`
  /// has shape `[n, n]`. Returns 0, or the order of the first leading minor that is not positive and finite.
  let factorise: @Sendable (Int, UnsafeMutablePointer<Scalar>, Int, UnsafeMutablePointer<Scalar>, Int) -> Int
  /// `X = L⁻¹` of the lower triangular `L` of order `n`, with zeros above its diagonal; without BLAS, for small blocks.
  let invertLower: @Sendable (Int, UnsafePointer<Scalar>, Int, UnsafeMutablePointer<Scalar>, Int) -> Void
}

extension Float: BLASScalar {
  public static let routines = BLASRoutines<Float>(
    gemm: cblas_sgemm, syrk: cblas_ssyrk, trsm: cblas_strsm, trmm: cblas_strmm,
    factorise: { Kernels.best.factorise_float($0, $1, $2, $3, $4) },
    invertLower: { Kernels.best.invert_lower_float($0, $1, $2, $3, $4) })
}

extension Double: BLASScalar {
  public static let routines = BLASRoutines<Double>(
    gemm: cblas_dgemm, syrk: cblas_dsyrk, trsm: cblas_dtrsm, trmm: cblas_dtrmm,
    factorise: { Kernels.best.factorise_double($0, $1, $2, $3, $4) },
    invertLower: { Kernels.best.invert_lower_double($0, $1, $2, $3, $4) })
}
