import LinearAlgebra

/// Adam (Kingma and Ba 2015, algorithm 1): each number moves by the mean of its last gradients, relative to their root mean
/// square.
struct Adam: Sendable {
  static let betas: (Float, Float) = (0.9, 0.95)
  private static let epsilon: Float = 1e-8

  private var powers: (Float, Float) = (1, 1)

  /// Begins the next step; all numbers must take it.
  mutating func advance() {
    powers = (powers.0 * Self.betas.0, powers.1 * Self.betas.1)
  }

  /// Moves some numbers.
  ///
  /// - Parameters:
  ///   - state: shape `[3, numbers]`: the numbers themselves, and the running means of their gradients and of the squares.
  ///   - start: first of the columns that the gradient belongs to.
  ///   - gradient: contiguous.
  ///   - rate: length of the step.
  func move(_ state: Matrix<Float>, from start: Int, gradient: Matrix<Float>, rate: Float) {
    Kernels.adam(
      state.row(0) + start, moments: (state.row(1) + start, state.row(2) + start), gradient: gradient.pointer,
      betas: Self.betas, rate: rate / (1 - powers.0), root: 1 / (1 - powers.1).squareRoot(), epsilon: Self.epsilon,
      count: gradient.count)
  }
}
