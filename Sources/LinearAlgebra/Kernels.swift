import CKernels

/// Element-wise kernels on rows, compiled for several sets of instructions. The best one that the processor has is
/// used.
///
/// Results have the same bits with each of them (`VectorKernels.h`).
public enum Kernels {
  static let best = nas_best_kernels().pointee

  /// `y += x`.
  public static func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    best.add(x, y, count)
  }

  /// `x ← a·x`.
  public static func scale(_ x: UnsafeMutablePointer<Float>, by a: Float, count: Int) { best.scale(x, a, count) }

  /// `y += a·x`.
  public static func addScaled(
    _ x: UnsafePointer<Float>, _ a: Float, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.add_scaled(x, a, y, count)
  }

  /// `y += |x|`.
  public static func addMagnitudes(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    best.add_magnitudes(x, y, count)
  }

  /// `y += x²·a`.
  public static func addSquares(_ x: UnsafePointer<Float>, _ a: Float, to y: UnsafeMutablePointer<Float>, count: Int) {
    best.add_squares(x, a, y, count)
  }

  /// `y ← x·y`, element by element.
  public static func multiply(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    best.multiply(x, y, count)
  }

  /// `z ← z + x·y`, element by element.
  public static func addProducts(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, to z: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.add_products(x, y, z, count)
  }

  /// A step of Adam: `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`, `x ← x − rate·m/(√v·root + ε)`.
  ///
  /// - Parameters:
  ///   - rate: step length, with the correction of `m` for its start at zero.
  ///   - root: likewise of `√v`.
  public static func adam(
    _ x: UnsafeMutablePointer<Float>, moments: (m: UnsafeMutablePointer<Float>, v: UnsafeMutablePointer<Float>),
    gradient: UnsafePointer<Float>, betas: (Float, Float), rate: Float, root: Float, epsilon: Float, count: Int
  ) {
    best.adam(x, moments.m, moments.v, gradient, betas.0, betas.1, rate, root, epsilon, count)
  }

  /// `Σ x·y`.
  public static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    best.dot(x, y, count)
  }

  /// The largest element; `-∞` for `count` 0.
  public static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float { best.maximum(x, count) }

  /// Index of the largest element; the first of equals.
  public static func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int {
    let peak = maximum(x, count: count)
    var i = 0
    while i < count && x[i] != peak { i += 1 }
    return min(i, max(count - 1, 0))
  }

  // MARK: Exponentials
  // In single precision `exp(x)` has a relative error below 3e-7 for x in [-87, 88]; smaller x gives about 1e-38,
  // larger about 1e38.

  /// `x ← exp(x)` for x ≤ 709, relative error below 1e-15; x below −708 gives about 1e-308. An element's result does
  /// not depend on its place.
  public static func exponentials(_ x: UnsafeMutablePointer<Double>, count: Int) { best.exponentials(x, count) }

  /// `Σ exp(x − shift)`.
  public static func sumExp(_ x: UnsafePointer<Float>, minus shift: Float, count: Int) -> Float {
    best.sum_exp(x, shift, count)
  }

  /// Softmax of one row in place; the result is meaningless for `count` 0.
  public static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) { best.softmax(x, count) }

  /// The softmax of a row and one more score, which is not kept; returns that score's share.
  @discardableResult
  public static func softmax(_ x: UnsafeMutablePointer<Float>, with sink: Float, count: Int) -> Float {
    best.softmax_with(x, sink, count)
  }

  /// Replaces a row of logits by its softmax `p` and returns the expected logit `Σ p·x`.
  public static func softmaxExpectation(_ x: UnsafeMutablePointer<Float>, count: Int) -> Double {
    best.softmax_expectation(x, count)
  }

  // MARK: The element-wise parts of a decoder layer

  /// RMS normalisation of one row: `y = x / sqrt(mean(x²) + epsilon) · gain`.
  public static func rmsNorm(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, into y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    best.rms_norm(x, gain, epsilon, y, count)
  }

  /// `gate ← silu(gate)·up` with `silu(x) = x / (1 + exp(-x))`.
  public static func siluMultiply(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int) {
    best.silu_multiply(gate, up, count)
  }

  /// `gate ← gelu(gate)·up` with `gelu(x) = x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2`.
  public static func geluMultiply(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int) {
    best.gelu_multiply(gate, up, count)
  }

  /// `gate ← g·σ(αg)·(u + 1)` with `g = min(gate, limit)` and `u = min(max(up, −limit), limit)`.
  public static func clampedMultiply(
    _ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, limit: Float, alpha: Float, count: Int
  ) {
    best.clamped_multiply(gate, up, limit, alpha, count)
  }

  /// `x ← cap·tanh(x/cap)`.
  public static func softCap(_ x: UnsafeMutablePointer<Float>, _ cap: Float, count: Int) {
    best.soft_cap(x, cap, count)
  }

  /// Rotates the pairs `(x[i], x[i + half])` by the angles whose cosines and sines are given (rotary embedding in the
  /// half-split order).
  public static func rotate(
    _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, half: Int
  ) {
    best.rotate(x, cosines, sines, half)
  }

  // MARK: Their derivatives

  /// Undoes `rotate`: turns by the negative angles.
  public static func rotateBack(
    _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, half: Int
  ) {
    best.rotate_back(x, cosines, sines, half)
  }

  /// Backward pass of `h = silu(g)·u`: takes `g`, `u` and `∂h`, and leaves `∂g` in `gate`, `∂u` in `up`, `h` in `grad`.
  ///
  /// With `σ = 1/(1 + exp(−g))`: `∂g = ∂h·u·σ·(1 + g·(1 − σ))`, `∂u = ∂h·g·σ`.
  public static func siluMultiplyBackward(
    gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.silu_multiply_backward(gate, up, grad, count)
  }

  /// Backward pass of `geluMultiply`, in the way of `siluMultiplyBackward`.
  public static func geluMultiplyBackward(
    gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.gelu_multiply_backward(gate, up, grad, count)
  }

  /// Backward pass of `clampedMultiply`, in the way of `siluMultiplyBackward`; what is cut off has no gradient.
  public static func clampedMultiplyBackward(
    gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>,
    limit: Float, alpha: Float, count: Int
  ) {
    best.clamped_multiply_backward(gate, up, grad, limit, alpha, count)
  }

  /// Backward pass of `softCap`, whose result was `y`: `∂x = ∂y·(1 − (y/cap)²)` in place.
  public static func softCapBackward(
    _ y: UnsafePointer<Float>, _ cap: Float, grad: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.soft_cap_backward(y, cap, grad, count)
  }

  /// Backward pass of a softmax row: `p·(∂p − Σ p·∂p)·scale` into `grad`.
  public static func softmaxBackward(
    _ p: UnsafePointer<Float>, grad: UnsafeMutablePointer<Float>, scale: Float, count: Int
  ) {
    best.softmax_backward(p, grad, scale, count)
  }

  /// Backward pass of RMS normalisation of one row, for `∂y` of `y = x·s·gain`, `s = 1/sqrt(mean(x²) + epsilon)`:
  /// adds `s·(∂y·gain − x·s²·mean(∂y·gain·x))` to `grad` and `∂y·x·s` to `gainGrad`. `∂y` is overwritten.
  public static func rmsNormBackward(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, outputGrad: UnsafeMutablePointer<Float>,
    addingTo grad: UnsafeMutablePointer<Float>, gainGrad: UnsafeMutablePointer<Float>, count: Int
  ) {
    best.rms_norm_backward(x, gain, epsilon, outputGrad, grad, gainGrad, count)
  }
}
