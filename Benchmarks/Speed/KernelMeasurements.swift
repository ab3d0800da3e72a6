import Foundation
import LinearAlgebra
import Runtime

/// Element-wise kernels on one worker, on rows of the lengths that SmolLM2-135M has.
func measureKernels(_ report: Report) throws {
  let (rows, widest) = (256, 49152)
  let data = Matrix<Float>(uninitialized: rows, columns: widest)
  data.fillUniform(magnitude: 4, seed: 1)
  let other = Matrix<Float>(uninitialized: rows, columns: widest)
  other.fillUniform(magnitude: 1, seed: 2)
  /// Measures a kernel on all rows, cut to a length.
  func kernel(_ name: String, length: Int, _ body: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) -> Void) {
    report.amount("\(name), rows of \(length)", Double(rows * length), "values/s") {
      for row in 0..<rows { body(data.row(row), other.row(row)) }
    }
  }
  kernel("softmax", length: 1024) { x, _ in Kernels.softmax(x, count: 1024) }
  kernel("log Σ exp", length: widest) { x, _ in
    _ = Kernels.sumExp(x, minus: Kernels.maximum(x, count: widest), count: widest)
  }
  kernel("RMS norm", length: 576) { x, y in Kernels.rmsNorm(x, gain: y, epsilon: 1e-5, into: x + 576, count: 576) }
  // On a copy: over and over in place, values would become too small to be normal, which slows some processors down.
  kernel("SwiGLU", length: 1536) { x, y in
    (x + 1536).update(from: x, count: 1536)
    Kernels.siluMultiply(x + 1536, y, count: 1536)
  }
  kernel("rotary embedding", length: 64) { x, y in
    (x + 64).update(from: x, count: 64)
    Kernels.rotate(x + 64, cosines: y, sines: y + 32, half: 32)
  }
}

/// Gram matrices in single precision, factorisations in double, every worker with matrices of its own.
func measureFactorisations(_ report: Report) throws {
  let (workers, tokens, order, outputs) = (Threads.count, 512, 1536, 576)
  let inputs = (0..<workers).map { worker in
    let x = Matrix<Float>(uninitialized: tokens, columns: order)
    x.fillUniform(magnitude: 1, seed: UInt64(worker))
    return x
  }
  let grams = inputs.map { _ in Matrix<Float>(rows: order, columns: order) }
  let (n, m) = (Double(order), Double(outputs))
  try report.products("Gram, 512 tokens of 1536 inputs", operations: Double(workers * tokens) * n * n) {
    try Threads.forEach(workers) { worker, _ in accumulateGram(inputs[worker], accumulate: 0, into: grams[worker]) }
  }
  grams.forEach(mirrorUpperTriangle)
  let damped = grams.map { gram in
    let result = gram.widened()
    for i in 0..<order { result[i, i] += Double(tokens) }
    return result
  }
  let copies = damped.map { $0.copy() }
  try report.products(
    "Cholesky, order 1536", operations: Double(workers) * n * n * n / 3, of: .double,
    prepare: { for (copy, matrix) in zip(copies, damped) { copy.assign(matrix) } },
    { try Threads.forEach(workers) { worker, _ in _ = try CholeskyFactor(factorising: copies[worker]) } })
  let factors = try damped.map { try CholeskyFactor(factorising: $0.copy()) }
  let right = factors.map { _ in
    Matrix<Double>(Array(repeating: 0.5, count: order * outputs), rows: order, columns: outputs)
  }
  try report.products("triangular solve, order 1536, 576 columns", operations: Double(workers) * n * n * m, of: .double)
  {
    try Threads.forEach(workers) { worker, _ in factors[worker].solveLowerTransposed(right[worker]) }
  }
}
