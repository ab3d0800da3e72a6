import Foundation
import Synchronization

/// Ctrl-C: the first asks to stop after the running evaluation, the second ends at once.
enum Interrupt {
  private static let count = Atomic<Int>(0)

  static func install() {
    // So that a handler never is the first to touch it.
    _ = requested
    for number in [SIGINT, SIGTERM] {
      signal(number) { received in
        if Interrupt.count.add(1, ordering: .relaxed).newValue > 1 {
          signal(received, SIG_DFL)
          raise(received)
        }
      }
    }
  }

  static var requested: Bool { count.load(ordering: .relaxed) > 0 }
}
