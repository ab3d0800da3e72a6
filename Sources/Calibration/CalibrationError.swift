import Checkpoints

/// Errors of calibration text and of stored statistics.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
  /// A source of text that cannot be used as it is, or not with the settings.
  case unusable(_ source: String, reason: String)
  /// Damaged JSON; `byte`: place in the line, counted from 0.
  case badJSON(file: String, line: Int, byte: Int, problem: String)
  case tooShort(source: String, tokens: Int, window: Int, needed: Int)
  /// Settings that do not fit together.
  case contradiction(String)
  case damagedCache(path: String, problem: String)

  public var description: String {
    switch self {
    case .unusable(let source, let reason): "\(source): \(reason)"
    case .badJSON(let file, let line, let byte, let problem):
      "\(file):\(line): not valid JSON: \(problem) at byte \(byte) of the line"
    case .tooShort(let source, let tokens, let window, let needed):
      "\(source): \(tokens) tokens are too short for \(needed) window\(needed == 1 ? "" : "s") of \(window)"
    case .contradiction(let problem): problem
    case .damagedCache(let path, let problem):
      "stored statistics are damaged: \(problem); remove \(path) to compute them again"
    }
  }

  static func emptyText(_ file: String) -> CalibrationError { .unusable(file, reason: "the text is empty") }

  /// A file of a well-known kind that is not text.
  static func notText(_ file: String, _ kind: FileKind) -> CalibrationError {
    let advice = kind == .parquet ? "this makes JSON lines of it: \(parquetConversion(file))" : kind.advice
    return .unusable(file, reason: "it is \(kind.name), not a text" + (advice.map { "; \($0)" } ?? ""))
  }

  /// A command that writes the rows of a Parquet file as JSON lines beside it.
  private static func parquetConversion(_ file: String) -> String {
    let lines = (file.hasSuffix(".parquet") ? String(file.dropLast(8)) : file) + ".jsonl"
    let program =
      "import sys, pandas; pandas.read_parquet(sys.argv[1])"
      + ".to_json(sys.argv[2], orient='records', lines=True, force_ascii=False)"
    return "python3 -c \"\(program)\" \(ShellWord.quoted(file)) \(ShellWord.quoted(lines))"
  }
}
