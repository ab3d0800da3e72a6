import CNumerics

/// The eigenvalues and eigenvectors of a symmetric matrix of small order, by GSL: reduction to tridiagonal form, then
/// QR steps.
public struct SymmetricEigenvalues: Sendable {
  /// The largest first.
  public let values: [Double]
  /// Orthonormal, one a row, in the order of the values: shape `[n, n]`.
  public let vectors: Matrix<Double>

  /// - Parameter matrix: symmetric and finite, shape `[n, n]`; its lower triangle is read.
  public init(_ matrix: Matrix<Double>) {
    let order = matrix.rows
    precondition(matrix.columns == order, "only a square matrix has eigenvalues")
    guard order > 0, let values = gsl_vector_alloc(order), let vectors = gsl_matrix_alloc(order, order),
      let workspace = gsl_eigen_symmv_alloc(order)
    else {
      (self.values, self.vectors) = ([], Matrix(rows: 0, columns: 0))
      return
    }
    defer {
      gsl_vector_free(values)
      gsl_matrix_free(vectors)
      gsl_eigen_symmv_free(workspace)
    }
    // GSL overwrites what it is given.
    let copy = matrix.copy()
    var view = gsl_matrix_view_array(copy.pointer, order, order)
    gsl_eigen_symmv(&view.matrix, values, vectors, workspace)
    gsl_eigen_symmv_sort(values, vectors, GSL_EIGEN_SORT_VAL_DESC)
    self.values = (0..<order).map { gsl_vector_get(values, $0) }
    let columns = Matrix<Double>(uninitialized: order, columns: order)
    for i in 0..<order { for j in 0..<order { columns[i, j] = gsl_matrix_get(vectors, j, i) } }
    self.vectors = columns
  }
}
