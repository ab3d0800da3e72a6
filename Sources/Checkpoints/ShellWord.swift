import Foundation

/// Words of a command line that is printed for the user to run.
public enum ShellWord {
  /// A word that a POSIX shell reads back as it is.
  public static func quoted(_ word: String) -> String {
    word.allSatisfy { $0.isLetter || $0.isNumber || "-_./:,=+@%".contains($0) } && !word.isEmpty
      ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}
