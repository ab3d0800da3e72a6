import Synchronization

/// Remarks on an input that is read all the same, such as a default taken in the place of a missing key.
///
/// Readers tell; whoever runs them decides who hears: within a call (`$hear.withValue`), or in the whole process
/// (`hearEverywhere`). Nobody does by default.
public enum Notices {
  @TaskLocal public static var hear: @Sendable (String) -> Void = { text in everywhere.withLock { $0 }(text) }

  private static let everywhere = Mutex<@Sendable (String) -> Void>({ _ in })

  /// - Parameter text: a sentence without a full stop that names the file.
  public static func tell(_ text: String) { listener.map { $0.hear(text) } ?? hear(text) }

  /// A closure by itself is no safe value for a task: optimised code may lack the type of a function.
  private struct Listener: Sendable {
    let hear: @Sendable (String) -> Void
  }
  @TaskLocal private static var listener: Listener?

  /// Lets `hear` hear what `body` tells.
  public static func listening<Value>(
    _ hear: @escaping @Sendable (String) -> Void, to body: () throws -> Value
  ) rethrows -> Value {
    try $listener.withValue(Listener(hear: hear)) { try body() }
  }

  /// Lets one hear what is told on any thread, as a program does that has one place for warnings.
  public static func hearEverywhere(_ hear: @escaping @Sendable (String) -> Void) {
    everywhere.withLock { $0 = hear }
  }
}
