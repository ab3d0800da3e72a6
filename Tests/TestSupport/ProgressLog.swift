import Runtime
import Synchronization

/// What a monitor heard of progress, and a way to cancel after some of it.
public final class ProgressLog: Sendable {
  private let heard = Mutex<[Monitor.Progress]>([])
  private let most: Int

  /// - Parameter steps: number of steps after which the work is cancelled.
  public init(cancellingAfter steps: Int = .max) { most = steps }

  public var steps: [Monitor.Progress] { heard.withLock { $0 } }

  public var monitor: Monitor {
    Monitor(
      isCancelled: { [self] in steps.count >= most },
      hear: { [self] event in
        if let progress = event as? Monitor.Progress { heard.withLock { $0.append(progress) } }
      })
  }
}
