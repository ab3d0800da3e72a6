/// Remarks on an input that is read all the same, such as a default taken in the place of a missing key.
///
/// Readers tell; whoever runs them decides who hears. Nobody does by default.
public enum Notices {
  @TaskLocal public static var hear: @Sendable (String) -> Void = { _ in }

  /// - Parameter text: a sentence without a full stop that names the file.
  public static func tell(_ text: String) { hear(text) }
}
