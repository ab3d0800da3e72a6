/// Element-wise kernels on rows of `Float`, written with SIMD vectors of sixteen lanes.
public enum Kernels {
  @usableFromInline typealias Vector = SIMD16<Float>
  @usableFromInline static let lanes = 16

  @inline(__always)
  static func load(_ pointer: UnsafePointer<Float>, _ index: Int) -> Vector {
    UnsafeRawPointer(pointer + index).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  static func store(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>, _ index: Int) {
    UnsafeMutableRawPointer(pointer + index).storeBytes(of: vector, as: Vector.self)
  }

  /// `exp(x)` lane by lane, relative error below 3e-7 for x in [-87, 88]; smaller x gives about 1e-38, larger about 1e38.
  ///
  /// x = n·ln2 + r with |r| ≤ ln2/2; exp(r) by its Taylor polynomial of degree 7 in Horner form, 2ⁿ through the exponent
  /// bits. Adding and subtracting 1.5·2²³ rounds to the nearest integer.
  @inline(__always)
  static func exp(_ x: Vector) -> Vector {
    var clamped = x
    clamped.replace(with: Vector(repeating: -87), where: x .< -87)
    clamped.replace(with: Vector(repeating: 88), where: x .> 88)
    let magic = Vector(repeating: 12_582_912)
    let shifted = clamped * 1.442_695_04 + magic
    let n = shifted - magic
    let r = (clamped - n * 0.693_359_375) - n * -2.121_944_4e-4
    var p = r * 1.984_126_98e-4 + 1.388_888_89e-3
    p = p * r + 8.333_333_33e-3
    p = p * r + 4.166_666_67e-2
    p = p * r + 1.666_666_67e-1
    p = p * r + 0.5
    p = p * r + 1
    p = p * r + 1
    let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- unsafeBitCast(magic, to: SIMD16<Int32>.self)
    return unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ (exponent &<< 23), to: Vector.self)
  }

  @inline(__always)
  static func exp(_ x: Float) -> Float { exp(Vector(repeating: x))[0] }

  /// `y += x`.
  public static func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    var i = 0
    while i + lanes <= count {
      store(load(y, i) + load(x, i), y, i)
      i += lanes
    }
    while i < count {
      y[i] += x[i]
      i += 1
    }
  }

  /// `x ← a·x`.
  public static func scale(_ x: UnsafeMutablePointer<Float>, by a: Float, count: Int) {
    var i = 0
    while i + lanes <= count {
      store(load(x, i) * a, x, i)
      i += lanes
    }
    while i < count {
      x[i] *= a
      i += 1
    }
  }

  /// `y += a·x`.
  public static func addScaled(
    _ x: UnsafePointer<Float>, _ a: Float, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    var i = 0
    while i + lanes <= count {
      store(load(y, i) + a * load(x, i), y, i)
      i += lanes
    }
    while i < count {
      y[i] += a * x[i]
      i += 1
    }
  }

  /// `Σ x·y`.
  public static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    var sum = Vector(repeating: 0)
    var i = 0
    while i + lanes <= count {
      sum += load(x, i) * load(y, i)
      i += lanes
    }
    var total = sum.sum()
    while i < count {
      total += x[i] * y[i]
      i += 1
    }
    return total
  }

  /// RMS normalisation of one row: `y = x / sqrt(mean(x²) + epsilon) · gain`.
  public static func rmsNorm(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, into y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    let scale = 1 / (dot(x, x, count: count) / Float(count) + epsilon).squareRoot()
    var i = 0
    while i + lanes <= count {
      store(load(x, i) * scale * load(gain, i), y, i)
      i += lanes
    }
    while i < count {
      y[i] = x[i] * scale * gain[i]
      i += 1
    }
  }

  /// `gate ← silu(gate)·up` with `silu(x) = x / (1 + exp(-x))`.
  public static func siluMultiply(_ gate: UnsafeMutablePointer<Float>, _ up: UnsafePointer<Float>, count: Int) {
    var i = 0
    while i + lanes <= count {
      let x = load(gate, i)
      store(x / (1 + exp(-x)) * load(up, i), gate, i)
      i += lanes
    }
    while i < count {
      gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i]
      i += 1
    }
  }

  public static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var best = Vector(repeating: -.infinity)
    var i = 0
    while i + lanes <= count {
      let v = load(x, i)
      best.replace(with: v, where: v .> best)
      i += lanes
    }
    var result = best.max()
    while i < count {
      result = Swift.max(result, x[i])
      i += 1
    }
    return result
  }

  /// Softmax of one row in place; returns nothing useful for `count` 0.
  public static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
    let peak = maximum(x, count: count)
    var sum = Vector(repeating: 0)
    var tail: Float = 0
    var i = 0
    while i + lanes <= count {
      let e = exp(load(x, i) - peak)
      store(e, x, i)
      sum += e
      i += lanes
    }
    while i < count {
      x[i] = exp(x[i] - peak)
      tail += x[i]
      i += 1
    }
    let scale = 1 / (sum.sum() + tail)
    i = 0
    while i + lanes <= count {
      store(load(x, i) * scale, x, i)
      i += lanes
    }
    while i < count {
      x[i] *= scale
      i += 1
    }
  }

  /// `log Σ exp(x)`, stable.
  public static func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Float {
    let peak = maximum(x, count: count)
    return peak + logarithm(sumExp(x, minus: peak, count: count))
  }

  /// `Σ exp(x − shift)`.
  public static func sumExp(_ x: UnsafePointer<Float>, minus shift: Float, count: Int) -> Float {
    var sum = Vector(repeating: 0)
    var tail: Float = 0
    var i = 0
    while i + lanes <= count {
      sum += exp(load(x, i) - shift)
      i += lanes
    }
    while i < count {
      tail += exp(x[i] - shift)
      i += 1
    }
    return sum.sum() + tail
  }

  /// `y += |x|`, lane by lane.
  public static func addMagnitudes(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    var i = 0
    while i + lanes <= count {
      let v = load(x, i)
      store(load(y, i) + v.replacing(with: -v, where: v .< 0), y, i)
      i += lanes
    }
    while i < count {
      y[i] += abs(x[i])
      i += 1
    }
  }

  /// Index of the largest element; the first of equals.
  public static func argmax(_ x: UnsafePointer<Float>, count: Int) -> Int {
    let peak = maximum(x, count: count)
    var i = 0
    while i < count && x[i] != peak { i += 1 }
    return Swift.min(i, Swift.max(count - 1, 0))
  }
}

extension Kernels {
  /// Rotates the pairs `(x[i], x[i + half])` by the angles whose cosines and sines are given (rotary embedding in the
  /// half-split order).
  public static func rotate(
    _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, half: Int
  ) {
    var i = 0
    while i + lanes <= half {
      let a = load(x, i)
      let b = load(x, i + half)
      let c = load(cosines, i)
      let s = load(sines, i)
      store(a * c - b * s, x, i)
      store(b * c + a * s, x, i + half)
      i += lanes
    }
    while i < half {
      let a = x[i]
      let b = x[i + half]
      x[i] = a * cosines[i] - b * sines[i]
      x[i + half] = b * cosines[i] + a * sines[i]
      i += 1
    }
  }
}

extension Kernels {
  /// Replaces a row of logits by its softmax `p` and returns the expected logit `Σ p·x`.
  public static func softmaxExpectation(_ x: UnsafeMutablePointer<Float>, count: Int) -> Double {
    let peak = maximum(x, count: count)
    var mass = Vector(repeating: 0)
    var moment = Vector(repeating: 0)
    var tailMass: Float = 0
    var tailMoment: Float = 0
    var i = 0
    while i + lanes <= count {
      let shifted = load(x, i) - peak
      let e = exp(shifted)
      store(e, x, i)
      mass += e
      moment += e * shifted
      i += lanes
    }
    while i < count {
      let shifted = x[i] - peak
      x[i] = exp(shifted)
      tailMass += x[i]
      tailMoment += x[i] * shifted
      i += 1
    }
    let total = mass.sum() + tailMass
    scale(x, by: 1 / total, count: count)
    return Double(peak) + Double(moment.sum() + tailMoment) / Double(total)
  }
}

/// Derivatives of the element-wise parts of a decoder layer.
extension Kernels {
  /// Undoes `rotate`: turns by the negative angles.
  public static func rotateBack(
    _ x: UnsafeMutablePointer<Float>, cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, half: Int
  ) {
    for i in 0..<half {
      let (a, b) = (x[i], x[i + half])
      x[i] = a * cosines[i] + b * sines[i]
      x[i + half] = b * cosines[i] - a * sines[i]
    }
  }

  /// Backward pass of `h = silu(g)·u`: takes `g`, `u` and `∂h`, and leaves `∂g` in `gate`, `∂u` in `up`, `h` in `grad`.
  ///
  /// With `σ = 1/(1 + exp(−g))`: `∂g = ∂h·u·σ·(1 + g·(1 − σ))`, `∂u = ∂h·g·σ`.
  public static func siluMultiplyBackward(
    gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, grad: UnsafeMutablePointer<Float>, count: Int
  ) {
    var i = 0
    while i + lanes <= count {
      let (g, u, d) = (load(gate, i), load(up, i), load(grad, i))
      let sigmoid = 1 / (1 + exp(-g))
      let silu = g * sigmoid
      store(d * u * sigmoid * (1 + g * (1 - sigmoid)), gate, i)
      store(d * silu, up, i)
      store(silu * u, grad, i)
      i += lanes
    }
    while i < count {
      let (g, u, d) = (gate[i], up[i], grad[i])
      let sigmoid = 1 / (1 + exp(-g))
      let silu = g * sigmoid
      gate[i] = d * u * sigmoid * (1 + g * (1 - sigmoid))
      up[i] = d * silu
      grad[i] = silu * u
      i += 1
    }
  }

  /// Backward pass of a softmax row: `p·(∂p − Σ p·∂p)·scale` into `grad`.
  public static func softmaxBackward(
    _ p: UnsafePointer<Float>, grad: UnsafeMutablePointer<Float>, scale: Float, count: Int
  ) {
    let mean = dot(p, grad, count: count)
    var i = 0
    while i + lanes <= count {
      store(load(p, i) * (load(grad, i) - mean) * scale, grad, i)
      i += lanes
    }
    while i < count {
      grad[i] = p[i] * (grad[i] - mean) * scale
      i += 1
    }
  }

  /// Backward pass of RMS normalisation of one row, for `∂y` of `y = x·s·gain`, `s = 1/sqrt(mean(x²) + epsilon)`:
  /// adds `s·(∂y·gain − x·s²·mean(∂y·gain·x))` to `grad` and `∂y·x·s` to `gainGrad`. `∂y` is overwritten.
  public static func rmsNormBackward(
    _ x: UnsafePointer<Float>, gain: UnsafePointer<Float>, epsilon: Float, outputGrad: UnsafeMutablePointer<Float>,
    addingTo grad: UnsafeMutablePointer<Float>, gainGrad: UnsafeMutablePointer<Float>, count: Int
  ) {
    let s = 1 / (dot(x, x, count: count) / Float(count) + epsilon).squareRoot()
    for i in 0..<count {
      gainGrad[i] += outputGrad[i] * x[i] * s
      outputGrad[i] *= gain[i]
    }
    let mean = dot(outputGrad, x, count: count) / Float(count)
    addScaled(outputGrad, s, to: grad, count: count)
    addScaled(x, -s * s * s * mean, to: grad, count: count)
  }

  /// `y += x²·a`.
  public static func addSquares(_ x: UnsafePointer<Float>, _ a: Float, to y: UnsafeMutablePointer<Float>, count: Int) {
    var i = 0
    while i + lanes <= count {
      let v = load(x, i)
      store(load(y, i) + v * v * a, y, i)
      i += lanes
    }
    while i < count {
      y[i] += x[i] * x[i] * a
      i += 1
    }
  }
}
