import CNumerics
import Foundation
import Synchronization

/// The memory of this process, as the operating system reports it.
public enum ProcessMemory {
  private static let earlier = Mutex(0)

  /// Largest resident memory since the process began, in bytes; `nil` if the system does not report it.
  public static var lifetimePeak: Int? { peak.map { max($0, earlier.withLock { $0 }) } }

  /// Largest resident memory since `restartPeak`, in bytes; `nil` if the system does not report it.
  public static var peak: Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kilobytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
    else { return nil }
    return kilobytes * 1024
  }

  /// Gives freed memory back and restarts `peak` from the memory that is resident now.
  ///
  /// - Returns: `true` if the system could do it.
  @discardableResult
  public static func restartPeak() -> Bool {
    if let peak { earlier.withLock { $0 = max($0, peak) } }
    malloc_trim(0)
    guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
    defer { try? file.close() }
    return (try? file.write(contentsOf: Data("5".utf8))) != nil
  }
}

/// Time and memory that a computation took.
public struct ComputationCost: Codable, Sendable, Equatable {
  public var seconds: Double
  /// Largest resident memory of the process meanwhile, in bytes; `nil` if the system does not report it.
  public var peakBytes: Int?

  public init(seconds: Double, peakBytes: Int?) {
    (self.seconds, self.peakBytes) = (seconds, peakBytes)
  }

  /// Runs `body` and measures it. The peak of the process is restarted.
  public static func measure<Value>(_ body: () throws -> Value) rethrows -> (value: Value, cost: ComputationCost) {
    let restarted = ProcessMemory.restartPeak()
    let start = ContinuousClock.now
    let value = try body()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return (value, ComputationCost(seconds: seconds, peakBytes: restarted ? ProcessMemory.peak : nil))
  }
}
