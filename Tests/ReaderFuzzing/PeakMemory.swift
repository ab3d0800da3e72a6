import Foundation

/// The most memory that the process ever had resident.
public enum PeakMemory {
  public static var bytes: Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss << 10
  }

  /// By how much one input may raise it: some megabytes whatever its size, and a multiple of its size.
  public static func allowed(for inputSize: Int) -> Int { 32 << 20 + 256 * inputSize }
}
