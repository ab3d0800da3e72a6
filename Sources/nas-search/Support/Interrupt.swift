import Checkpoints
import Foundation
import Synchronization

/// Ctrl-C and SIGTERM: they end the program, after it has removed what it was writing. A command that can stop in good
/// order does so at the first.
enum Interrupt {
  private static let count = Atomic<Int>(0)
  private static let stopsInOrder = Atomic<Bool>(false)
  /// Where the handler writes the signal that ends the program: a handler may do hardly more.
  private static let pipe = Atomic<Int32>(-1)

  /// Has both signals end the program in this way.
  static func watch() {
    var ends: [Int32] = [-1, -1]
    guard Foundation.pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    pipe.store(ends[1], ordering: .relaxed)
    let reading = ends[0]
    Thread.detachNewThread {
      var number: UInt8 = 0
      while read(reading, &number, 1) != 1 {}
      TemporaryPlaces.removeAll()
      _exit(128 + Int32(number))
    }
    // So that a handler never is the first to touch them.
    _ = requested
    for number in [SIGINT, SIGTERM] {
      signal(number) { received in
        let seen = Interrupt.count.add(1, ordering: .relaxed).newValue
        if seen == 1, Interrupt.stopsInOrder.load(ordering: .relaxed) { return }
        var number = UInt8(truncatingIfNeeded: received)
        _ = write(Interrupt.pipe.load(ordering: .relaxed), &number, 1)
      }
    }
  }

  /// Has the first signal ask the command to stop after what it is about.
  static func install() { stopsInOrder.store(true, ordering: .relaxed) }

  static var requested: Bool {
    stopsInOrder.load(ordering: .relaxed) && count.load(ordering: .relaxed) > 0
  }
}
