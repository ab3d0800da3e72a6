import Foundation
import Synchronization
import Testing

@testable import Runtime

@Suite struct CrewTests {
  /// Short jobs from several threads at once, some within others, with pauses in which helpers fall asleep.
  @Test func everyJobIsDoneByDistinctWorkers() {
    let wrong = Mutex<[String]>([])
    let ended = DispatchGroup()
    for number in 0..<4 {
      DispatchQueue.global().async(group: ended) {
        for round in 0..<200 {
          if round % 50 == number { Thread.sleep(forTimeInterval: 0.002) }
          let places = Mutex<[Int]>([])
          let sum = Atomic(0)
          Crew.shared.run(workers: 3) { worker in
            places.withLock { $0.append(worker) }
            Crew.shared.run(workers: 2) { _ in sum.add(1, ordering: .relaxed) }
          }
          // Each helper took part once, and all had ended.
          let found = places.withLock { $0.sorted() }
          let inner = sum.load(ordering: .relaxed)
          if found != Array(0..<found.count) || found.count > 3 || !(found.count...2 * found.count).contains(inner) {
            wrong.withLock { $0.append("workers \(found), within them \(inner)") }
          }
        }
      }
    }
    ended.wait()
    #expect(wrong.withLock { $0 } == [])
  }

  /// A job that nobody helps with ends all the same.
  @Test func nobodyHasToHelp() {
    let workers = Mutex<[Int]>([])
    Crew.shared.run(workers: 1) { worker in workers.withLock { $0.append(worker) } }
    #expect(workers.withLock { $0 } == [0])
  }

  /// A caller waits for helpers that take longer than its looks without sleep.
  @Test func slowHelpersAreWaitedFor() {
    let ended = Atomic(0)
    let begun = Atomic(0)
    Crew.shared.run(workers: Threads.count) { worker in
      begun.add(1, ordering: .relaxed)
      Thread.sleep(forTimeInterval: worker == 0 ? 0.01 : 0.05)
      ended.add(1, ordering: .relaxed)
    }
    #expect(ended.load(ordering: .relaxed) == begun.load(ordering: .relaxed))
  }
}
