import Synchronization
import Testing

@testable import Runtime

@Suite struct MonitorTests {
  private final class Ear: Sendable {
    let heard = Mutex<[String]>([])
    var monitor: Monitor {
      Monitor { [self] event in
        if let progress = event as? Monitor.Progress {
          heard.withLock { $0.append("\(progress.stage) \(progress.done)/\(progress.total)") }
        }
      }
    }
  }

  @Test func stepsArePutWhereTheyBelong() throws {
    let ear = Ear()
    let monitor = ear.monitor
    try monitor.advance(.init(.statistics, of: "wiki"), 3, of: 30)
    try monitor.part(1, of: 2).advance(.init(.curves), 3, of: 30)
    try monitor.part(1, of: 2).part(2, of: 3).advance(.init(.curves), 1, of: 10)
    try monitor.steps(from: 6, of: 36).advance(.init(.curves), 4, of: 30)
    #expect(
      ear.heard.withLock { $0 } == [
        "statistics of 'wiki' 3/30", "error curves 33/60", "error curves 51/60", "error curves 10/36",
      ])
  }

  @Test func sharesLieInTheRangeOfTheirWork() throws {
    let ear = Ear()
    let half = ear.monitor.during(.init(.baselines)).within(0.5...1)
    try half.advance(.init(.candidates), share: 0)
    try half.within(0.25...0.75).advance(.init(.candidates), share: 0.5)
    try half.advance(.init(.candidates), share: 1)
    #expect(ear.heard.withLock { $0 } == [500, 750, 1000].map { "uniform baselines \($0)/1000" })
  }

  @Test func aCancelledMonitorEndsWorkAndHearsNoMore() throws {
    let (ear, second) = (Ear(), Ear())
    let stop = Mutex(false)
    let monitor = Monitor(isCancelled: { stop.withLock { $0 } }, hear: { ear.monitor.tell($0) })
      .heard { second.monitor.tell($0) }
    try monitor.advance(.init(.gradients), 0, of: 2)
    stop.withLock { $0 = true }
    #expect(throws: CancellationError.self) { try monitor.advance(.init(.gradients), 1, of: 2) }
    #expect(throws: CancellationError.self) { try monitor.part(0, of: 2).checkCancelled() }
    #expect(ear.heard.withLock { $0 } == ["gradients 0/2"] && second.heard.withLock { $0 } == ["gradients 0/2"])
  }
}
