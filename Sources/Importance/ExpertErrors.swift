import LanguageModels
import LinearAlgebra

extension ScoredLayer {
  /// The error that leaving out each expert of a mixture adds, if its tokens get nothing in its place (our own):
  ///
  ///     tr( D_eᵀ·S·D_e · E[h_e h_eᵀ] ),    h_e = g_e·a_e
  ///
  /// with `S` the identity, for the mean squared error of the MLP's output, or `S = E[g gᵀ]` of the loss's gradient
  /// there, for twice the loss that is added to second order.
  ///
  /// - Parameter moments: `S`, shape `[hidden, hidden]`; `nil` for the identity.
  public func expertErrors(_ moments: Matrix<Float>? = nil) -> [Double] {
    let whole = weightToStream(.mlp)
    return hiddenBlocks().map { block in
      let down = whole.columns(block.channels)
      let (reached, weighted) = (
        Matrix<Float>(rows: down.rows, columns: down.columns), Matrix<Float>(rows: down.rows, columns: down.columns)
      )
      multiply(down, block.gram, into: reached)
      if let moments { multiply(moments, down, into: weighted) } else { weighted.assign(down) }
      return (0..<down.rows).reduce(0.0) {
        $0 + Double(Kernels.dot(reached.row($1), weighted.row($1), count: down.columns))
      }
    }
  }
}
