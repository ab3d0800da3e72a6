import Foundation
import Runtime

/// What every job has beside its request: where it may keep things, and who it says it is.
public struct JobContext: Sendable {
  /// Folder for calibration statistics and gradients.
  public let cache: URL
  public let memory: MemoryPlan
  /// Version of the program, for the records of exports and studies.
  public let toolVersion: String

  public init(cache: URL, memory: MemoryPlan, toolVersion: String) {
    self.cache = cache
    self.memory = memory
    self.toolVersion = toolVersion
  }
}
