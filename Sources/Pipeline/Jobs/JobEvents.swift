import Foundation
import Runtime

/// Something that may spoil a result.
public struct JobWarning: Monitor.Event {
  public let text: String

  init(_ text: String) { self.text = text }
}

/// What a job's work will take.
public struct WorkEstimated: Monitor.Event {
  public let estimate: WorkEstimate
  /// Folder for statistics.
  public let cache: URL
}

/// What a job's work took.
public struct WorkDone: Monitor.Event {
  public let record: WorkRecord
}
