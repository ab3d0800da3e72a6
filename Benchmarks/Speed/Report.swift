import CKernels
import Foundation
import LinearAlgebra
import Runtime

/// Measures and prints, line by line.
struct Report {
  /// Operations a second of the largest products of matrices, all workers together.
  let singlePeak: Double
  let doublePeak: Double
  /// `nil` on a processor without such products.
  let bfloat16Peak: Double?

  /// What a name has to contain to be measured; `nil` for all.
  let only: String?

  enum Peak { case single, double, bfloat16 }

  init(only: String?) throws {
    self.only = only
    singlePeak = try Self.peak(Float.self)
    doublePeak = try Self.peak(Double.self)
    bfloat16Peak = Precision.bfloat16.isSupported ? try Self.packedPeak(.bfloat16) : nil
    let (registers, packed) = (try Self.registerPeak(), try Self.packedPeak(.single))
    print("workers: \(Threads.count), OpenBLAS's kernels: \(Processor.blasCore)")
    line("FMA peak, single", Self.rate(registers, "FLOP/s"), Self.share(registers / singlePeak))
    line("GEMM peak, single", Self.rate(singlePeak, "FLOP/s"), "100.0 %")
    line("GEMM peak, double", Self.rate(doublePeak, "FLOP/s"), "100.0 %")
    line("packed product, single", Self.rate(packed, "FLOP/s"), Self.share(packed / singlePeak))
    if let bfloat16Peak { line("GEMM peak, bfloat16", Self.rate(bfloat16Peak, "FLOP/s"), "100.0 %") }
  }

  /// Every worker multiplies matrices of its own.
  private static func peak<Scalar: BLASScalar>(_: Scalar.Type) throws -> Double {
    let order = 1536
    let sets = (0..<Threads.count).map { _ in
      (0..<3).map { _ in Matrix<Scalar>(Array(repeating: 0.5, count: order * order), rows: order, columns: order) }
    }
    let seconds = try fastest {
      try Threads.forEach(sets.count) { task, _ in multiply(sets[task][0], sets[task][1], into: sets[task][2]) }
    }
    return Double(sets.count) * 2 * pow(Double(order), 3) / seconds
  }

  /// Multiplications and additions of registers alone, on all workers.
  private static func registerPeak() throws -> Double {
    let rounds = 1 << 20
    let operations = Double(Threads.count) * nas_single_peak(rounds)
    return try operations / fastest { try Threads.forEach(Threads.count) { _, _ in _ = nas_single_peak(rounds) } }
  }

  /// The largest products with operands that are packed already.
  private static func packedPeak(_ precision: Precision) throws -> Double {
    let order = 1536
    let ones = Matrix<Float>(Array(repeating: 0.5, count: order * order), rows: order, columns: order)
    let sets = (0..<Threads.count).map { _ in
      (
        PackedRows(ones, precision, in: PackedBuffer(rows: order, columns: order)), PackedWeight(ones, precision),
        Matrix<Float>(rows: order, columns: order)
      )
    }
    let seconds = try fastest {
      try Threads.forEach(sets.count) { task, _ in multiply(sets[task].0, sets[task].1, into: sets[task].2) }
    }
    return Double(sets.count) * 2 * pow(Double(order), 3) / seconds
  }

  /// Seconds of the fastest of at least three runs, and as many as fit into a second, after one that does not count.
  ///
  /// - Parameter prepare: done before each run, not timed.
  static func fastest(prepare: () -> Void = {}, _ body: () throws -> Void) rethrows -> Double {
    prepare()
    try body()
    let start = ContinuousClock.now
    var best = Double.infinity
    var runs = 0
    while runs < 3 || ContinuousClock.now - start < .seconds(1) {
      prepare()
      let begin = ContinuousClock.now
      try body()
      best = min(best, (ContinuousClock.now - begin) / .seconds(1))
      runs += 1
    }
    return best
  }

  /// Measures work of matrix products.
  ///
  /// - Parameter prepare: done before each run, not timed.
  /// - Returns: seconds.
  @discardableResult
  func products(
    _ name: String, operations: Double, of peak: Peak = .single, tokens: Int? = nil, prepare: () -> Void = {},
    _ body: () throws -> Void
  ) rethrows -> Double {
    if !isWanted(name) { return .nan }
    let seconds = try Self.fastest(prepare: prepare, body)
    let most =
      switch peak {
      case .single: singlePeak
      case .double: doublePeak
      case .bfloat16: bfloat16Peak ?? .nan
      }
    let share = operations / seconds / most
    let rate = tokens.map { Self.rate(Double($0) / seconds, "tokens/s") } ?? Self.rate(operations / seconds, "FLOP/s")
    line(name, rate, Self.share(share))
    return seconds
  }

  /// Measures work that no peak limits.
  func amount(_ name: String, _ amount: Double, _ unit: String, _ body: () throws -> Void) rethrows {
    if isWanted(name) { line(name, Self.rate(amount / (try Self.fastest(body)), unit), "") }
  }

  private func isWanted(_ name: String) -> Bool { only.map(name.contains) ?? true }

  func line(_ name: String, _ rate: String, _ share: String) {
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    print(name + padded(rate, max(0, 72 - name.count)) + padded(share, 12))
    fflush(nil)
  }

  private static func share(_ value: Double) -> String { String(format: "%.1f %%", value * 100) }

  private static func rate(_ value: Double, _ unit: String) -> String {
    for (factor, prefix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where value >= factor {
      return String(format: "%.1f ", value / factor) + prefix + unit
    }
    return String(format: "%.1f ", value) + unit
  }
}
