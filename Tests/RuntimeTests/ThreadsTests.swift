import Foundation
import Synchronization
import Testing

@testable import Runtime

@Suite struct ThreadsTests {
  private final class Log: @unchecked Sendable {
    private let lock = NSLock()
    private var tasks: [Int] = []
    private var active: Set<Int> = []
    private var clashes = 0
    private var peak = 0

    func begin(_ task: Int, _ worker: Int) {
      lock.withLock {
        tasks.append(task)
        if !active.insert(worker).inserted { clashes += 1 }
        peak = max(peak, active.count)
      }
    }

    func end(_ worker: Int) { lock.withLock { _ = active.remove(worker) } }
    var result: (tasks: [Int], clashes: Int, peak: Int) { lock.withLock { (tasks, clashes, peak) } }
  }

  private struct Failure: Error, Equatable { let task: Int }

  @Test(arguments: [0, 1, 2, 3, 7, 200])
  func runsEveryTaskOnceAndWorkersOneTaskAtATime(count: Int) throws {
    let log = Log()
    try Threads.forEach(count) { task, worker in
      #expect((0..<min(Threads.count, count)).contains(worker))
      log.begin(task, worker)
      // Long enough for tasks to overlap where there are several cores.
      var sum = 0.0
      for i in 1...2000 { sum += 1 / Double(i) }
      #expect(sum > 1)
      log.end(worker)
    }
    let result = log.result
    #expect(result.tasks.sorted() == Array(0..<count))
    #expect(result.clashes == 0)
    #expect(result.peak <= Threads.count)
  }

  /// Work that tasks start runs on their share of the workers, in all on no more than there are.
  @Test(arguments: [1, 2, 3, 200]) func tasksShareTheWorkers(tasks: Int) throws {
    let (all, workers) = (Threads.idle, min(Threads.idle, tasks))
    try Threads.forEach(tasks) { _, _ in
      #expect(Threads.idle == max(1, all / workers))
      let log = Log()
      Threads.forEach(9, workers: 2) { task, worker in
        #expect((0..<min(2, all / workers)).contains(worker))
        log.begin(task, worker)
        log.end(worker)
      }
      #expect(log.result.tasks.sorted() == Array(0..<9) && log.result.clashes == 0)
    }
    #expect(Threads.idle == all)
  }

  @Test func thereIsAtLeastOneWorker() {
    #expect(Threads.count >= 1)
  }

  /// Whichever failing task ends first, the error is that of the first one.
  @Test func rethrowsTheErrorOfTheLowestTask() {
    for _ in 0..<20 {
      #expect(throws: Failure(task: 5)) {
        try Threads.forEach(40) { task, _ in
          if task == 5 { Thread.sleep(forTimeInterval: 0.001) }
          if task >= 5 { throw Failure(task: task) }
        }
      }
    }
  }

  @Test func endsRunningTasksBeforeItThrows() throws {
    let log = Log()
    #expect(throws: Failure(task: 3)) {
      try Threads.forEach(1000) { task, worker in
        log.begin(task, worker)
        defer { log.end(worker) }
        if task == 3 { throw Failure(task: 3) }
      }
    }
    let started = log.result.tasks.sorted()
    #expect(started == Array(0..<started.count), "tasks are started in order")
    #expect(started.contains(3))
  }

  @Test func nests() throws {
    let log = Log()
    try Threads.forEach(4) { outer, _ in
      try Threads.forEach(5) { inner, _ in log.begin(outer * 5 + inner, outer * 5 + inner) }
    }
    #expect(log.result.tasks.sorted() == Array(0..<20))
  }

  /// Items of a lane run one after another in order, on any worker.
  @Test(arguments: [(0, 4), (1, 4), (3, 4), (33, 4), (33, 1), (7, 7)]) func lanesKeepTheirOrder(items: Int, lanes: Int)
    throws
  {
    let (perLane, workers) = (Log(), Log())
    try Threads.forEach(items, inLanes: lanes) { item, lane, worker in
      #expect(lane == item % lanes && (0..<min(Threads.count, lanes)).contains(worker))
      perLane.begin(item, lane)
      workers.begin(item, worker)
      var sum = 0.0
      for i in 1...(item % 5 * 1000 + 1) { sum += 1 / Double(i) }
      #expect(sum >= 1)
      workers.end(worker)
      perLane.end(lane)
    }
    let result = perLane.result
    #expect(result.tasks.sorted() == Array(0..<items) && result.clashes == 0 && workers.result.clashes == 0)
    for lane in 0..<lanes {
      let own = result.tasks.filter { $0 % lanes == lane }
      #expect(own == own.sorted())
    }
  }

  @Test func lanesEndWithAnError() {
    let log = Log()
    #expect(throws: Failure(task: 6)) {
      try Threads.forEach(1000, inLanes: 4) { item, lane, _ in
        log.begin(item, lane)
        defer { log.end(lane) }
        if item == 6 { throw Failure(task: 6) }
        Thread.sleep(forTimeInterval: 0.001)
      }
    }
    #expect(log.result.tasks.contains(6) && log.result.tasks.count < 1000)
  }

  /// A monitor hears from the calling thread, and a cancellation ends the work.
  @Test func tellsWhatIsDone() throws {
    let log = Log()
    let here = pthread_self()
    let heard = Mutex<[Monitor.Progress]>([])
    let isHere = Mutex(true)
    let monitor = Monitor { event in
      if pthread_equal(pthread_self(), here) == 0 { isHere.withLock { $0 = false } }
      if let progress = event as? Monitor.Progress { heard.withLock { $0.append(progress) } }
    }
    try Threads.forEach(50, atMost: .max, of: .init(.curves), monitor) { task, worker in
      log.begin(task, worker)
      log.end(worker)
    }
    let told = heard.withLock { $0 }
    #expect(isHere.withLock { $0 })
    #expect(told.allSatisfy { $0.stage == Monitor.Stage(.curves) && $0.total == 50 && $0.done < 50 })
    let counts = told.map { $0.done }
    #expect(counts.first == 0 && counts == counts.sorted())
    #expect(log.result.tasks.sorted() == Array(0..<50))
    let impatient = Monitor(
      isCancelled: { heard.withLock { $0.last?.done ?? 0 >= 3 } },
      hear: { event in
        if let progress = event as? Monitor.Progress { heard.withLock { $0 = [progress] } }
      })
    heard.withLock { $0 = [] }
    #expect(throws: CancellationError.self) {
      try Threads.forEach(1000, atMost: .max, of: .init(.curves), impatient) { task, worker in
        log.begin(task, worker)
        log.end(worker)
        Thread.sleep(forTimeInterval: 0.001)
      }
    }
    #expect(log.result.tasks.count < 1050)
  }
}
