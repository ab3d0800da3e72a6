import Checkpoints
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
    return "nas-search export \(ShellWord.quoted(report.directory)) --point \(point.index) --format \(format.rawValue) "
      + "--output \(ShellWord.quoted(output))"
  }

  /// A study's name with everything replaced that is awkward in a file name.
  private static func fileName(_ name: String) -> String {
    let words = name.unicodeScalars.split { !ShellWord.isPlain($0) || $0 == "/" }.map { String($0) }
    let text = words.joined(separator: "-").drop { $0 == "-" || $0 == "." }
    return text.isEmpty ? "subnet" : String(text)
  }
}
