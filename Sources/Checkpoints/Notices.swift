import Foundation
import Synchronization

/// Remarks on an input that is read all the same, such as a default in the place of a missing key.
///
/// Readers make remarks. Their caller decides what receives them: the whole process (`hearEverywhere`), or one call on
/// one thread (`heard(during:)`). By default nothing does.
public enum Notices {
  private static let everywhere = Mutex<@Sendable (String) -> Void>({ _ in })
  /// The key under which a thread keeps its listener. (A task local would be simpler, but calls of `withValue` outside
  /// of tasks crash in optimised builds.)
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

  /// Installs one listener for the remarks of all threads, for a program that has one place for warnings.
  public static func hearEverywhere(_ hear: @escaping @Sendable (String) -> Void) {
    everywhere.withLock { $0 = hear }
  }

  /// Runs a body and returns its remarks on this thread. No other listener receives them.
  public static func heard(during body: () throws -> Void) rethrows -> [String] {
    let listener = Listener()
    let outer = Thread.current.threadDictionary[key]
    Thread.current.threadDictionary[key] = listener
    defer { Thread.current.threadDictionary[key] = outer }
    try body()
    return listener.texts
  }
}
