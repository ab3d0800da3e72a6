import Runtime
import Synchronization

/// Seconds of a stage of longer work.
public struct StageCost: Codable, Sendable, Equatable {
  public var stage: Monitor.Stage.Kind
  public var seconds: Double
}

/// What work took, stage by stage, beside what was expected.
public struct WorkRecord: Monitor.Event, Codable, Equatable {
  public private(set) var stages: [StageCost] = []
  public var expected: [StageCost]
  /// Most resident memory of the process, in bytes; `nil` where the system does not say.
  public var peak: Int?
  public var expectedMemory: Int
  private var began: Double?

  public init(_ estimate: WorkEstimate) {
    expected = estimate.stages
    expectedMemory = estimate.memory
  }

  /// Takes note of a step: the time since the last one belongs to the stage that went on.
  ///
  /// - Parameters:
  ///   - stage: stage of the step; `nil` ends the last one.
  ///   - seconds: seconds since any fixed moment.
  public mutating func enter(_ stage: Monitor.Stage.Kind?, at seconds: Double) {
    if let began, let last = stages.indices.last { stages[last].seconds += seconds - began }
    began = stage == nil ? nil : seconds
    guard let stage else { return }
    if stages.last?.stage != stage { stages.append(StageCost(stage: stage, seconds: 0)) }
  }
}

/// Keeps a record of what goes on, by the clock.
final class WorkClock: Sendable {
  private let record: Mutex<WorkRecord>
  private let start = ContinuousClock.now

  let estimate: WorkEstimate

  init(_ estimate: WorkEstimate) {
    self.estimate = estimate
    record = Mutex(WorkRecord(estimate))
    ProcessMemory.restartPeak()
  }

  private func enter(_ stage: Monitor.Stage.Kind?) {
    record.withLock { $0.enter(stage, at: (ContinuousClock.now - start) / .seconds(1)) }
  }

  func hear(_ event: any Monitor.Event) {
    if let progress = event as? Monitor.Progress { enter(progress.stage.kind) }
  }

  /// The record with what is over by now.
  var finished: WorkRecord {
    enter(nil)
    return record.withLock { record in
      record.peak = ProcessMemory.lifetimePeak
      return record
    }
  }
}
