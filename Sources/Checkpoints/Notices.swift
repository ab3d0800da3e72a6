import Foundation
import Synchronization

/// Remarks on an input that is read all the same, such as a default taken in the place of a missing key.
///
/// Readers tell; whoever runs them decides who hears: the whole process (`hearEverywhere`), or one call on one thread
/// (`heard(during:)`). Nobody does by default.
public enum Notices {
  private static let everywhere = Mutex<@Sendable (String) -> Void>({ _ in })
  /// Where a thread keeps who listens to it. (A task local would do, but calls of `withValue` outside of tasks die when optimised.)
  private static let key = "nas-search.notices"

  private final class Listener {
    var texts: [String] = []
  }

  /// - Parameter text: a sentence without a full stop that names the file.
  public static func tell(_ text: String) {
    if let listener = Thread.current.threadDictionary[key] as? Listener {
      listener.texts.append(text)
    } else {
      everywhere.withLock { $0 }(text)
    }
  }

  /// Lets one hear what is told on any thread, as a program does that has one place for warnings.
  public static func hearEverywhere(_ hear: @escaping @Sendable (String) -> Void) {
    everywhere.withLock { $0 = hear }
  }

  /// Runs a body and returns what it tells on this thread, which nobody else hears.
  public static func heard(during body: () throws -> Void) rethrows -> [String] {
    let listener = Listener()
    let outer = Thread.current.threadDictionary[key]
    Thread.current.threadDictionary[key] = listener
    defer { Thread.current.threadDictionary[key] = outer }
    try body()
    return listener.texts
  }
}
