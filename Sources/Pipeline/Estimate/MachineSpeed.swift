import LinearAlgebra
import Runtime

/// How fast this machine multiplies matrices, all workers together.
public struct MachineSpeed: Sendable {
  /// Operations a second in single and double precision.
  public let single: Double
  public let double: Double

  /// Measures for about a fifth of a second.
  public static func measured() throws -> MachineSpeed {
    try MachineSpeed(single: rate(Float.self), double: rate(Double.self))
  }

  private static func rate<Scalar: BLASScalar>(_: Scalar.Type) throws -> Double {
    let order = 512
    let sets = (0..<Threads.count).map { _ in
      (0..<3).map { _ in Matrix<Scalar>(rows: order, columns: order) }
    }
    var best = Double.infinity
    let begin = ContinuousClock.now
    while best == .infinity || ContinuousClock.now - begin < .milliseconds(100) {
      let start = ContinuousClock.now
      try Threads.forEach(sets.count) { task, _ in multiply(sets[task][0], sets[task][1], into: sets[task][2]) }
      best = min(best, (ContinuousClock.now - start) / .seconds(1))
    }
    return Double(sets.count) * 2 * Double(order * order * order) / max(best, 1e-9)
  }
}
