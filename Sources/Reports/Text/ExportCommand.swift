import Evaluation

/// The command that takes one point of the front away as a checkpoint.
public enum ExportCommand {
  public enum Format: String, CaseIterable, Sendable {
    case huggingFace = "hf"
    case gguf
  }

  /// One line for a POSIX shell, every word quoted where it needs to be.
  public static func text(_ report: StudyReport, _ point: FrontPoint, format: Format) -> String {
    let stem = fileName(report.name) + "-point\(point.index)"
    let output = format == .gguf ? stem + ".gguf" : stem
    return "nas-search export \(quoted(report.directory)) --point \(point.index) --format \(format.rawValue) "
      + "--output \(quoted(output))"
  }

  /// A word that a POSIX shell reads back as `word`.
  static func quoted(_ word: String) -> String {
    let plain = !word.isEmpty && word.unicodeScalars.allSatisfy(isPlain)
    return plain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }

  /// A study's name with everything replaced that is awkward in a file name.
  private static func fileName(_ name: String) -> String {
    let words = name.unicodeScalars.split { !isPlain($0) || $0 == "/" }.map { String($0) }
    let text = words.joined(separator: "-").drop { $0 == "-" || $0 == "." }
    return text.isEmpty ? "subnet" : String(text)
  }

  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "=", "+", ":", "@", "%", ",": true
    default: false
    }
  }
}
