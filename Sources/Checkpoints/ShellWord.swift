/// Words of a command line that is printed for the user to run.
public enum ShellWord {
  /// A word that a POSIX shell reads back as it is.
  public static func quoted(_ word: String) -> String {
    let plain = !word.isEmpty && word.unicodeScalars.allSatisfy(isPlain)
    return plain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// True for a character that no shell gives a meaning to.
  public static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "=", "+", ":", "@", "%", ",": true
    default: false
    }
  }
}
