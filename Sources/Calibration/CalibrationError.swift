import Checkpoints

/// Errors of calibration text and of stored statistics.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case emptyText(file: String)
  /// `byte`: place in the unpacked text, counted from 0.
  case notUTF8(file: String, byte: Int)
  case binary(file: String, byte: Int)
  /// A file of a well-known kind that is not text.
  case notText(file: String, kind: FileKind)
  /// Damaged JSON; `byte`: place in the line, counted from 0.
  case badJSON(file: String, line: Int, byte: Int, problem: String)
  /// A record without the wanted text; `place`: file and line or number.
  case badRecord(place: String, problem: String)
  case tooShort(source: String, tokens: Int, window: Int, needed: Int)
  /// Too little text is left after documents were filtered.
  case tooShortAfterFilters(source: String, tokens: Int, window: Int, needed: Int, dropped: Int, documents: Int)
  /// The loss band left no window.
  case emptyLossBand(source: String, band: CalibrationFilter.LossBand, windows: Int)
  /// Fewer calibration windows than all subsets of a set need.
  case tooFewForSubsets(source: String, available: Int, length: Int, subsets: Int, windows: Int)
  /// A search space asks for more windows of a set than there are.
  case fewWindows(set: String, windows: Int, needed: Int)
  case duplicateName(String)
  case reservedName(file: String, name: String)
  case damagedCache(path: String, problem: String)

  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .emptyText(let file): "\(file): the text is empty"
    case .notUTF8(let file, let byte): "\(file): the text is not valid UTF-8 at byte \(byte)"
    case .binary(let file, let byte): "\(file): not a text: there is a NUL at byte \(byte)"
    case .notText(let file, let kind): Self.notText(file, kind)
    case .badJSON(let file, let line, let byte, let problem):
      "\(file):\(line): not valid JSON: \(problem) at byte \(byte) of the line"
    case .badRecord(let place, let problem): "\(place): \(problem)"
    case .tooShort(let source, let tokens, let window, let needed):
      "\(source): \(tokens) tokens are too short for \(needed) window\(needed == 1 ? "" : "s") of \(window)"
    case .tooShortAfterFilters(let source, let tokens, let window, let needed, let dropped, let documents):
      "\(source): the filters dropped \(dropped) of \(documents) documents, and the \(tokens) tokens left are too short "
        + "for \(needed) windows of \(window)"
    case .emptyLossBand(let source, let band, let windows):
      "\(source): none of \(windows) windows lies in the loss band \(band)"
    case .tooFewForSubsets(let source, let available, let length, let subsets, let windows):
      "\(source): \(available) calibration windows of \(length) tokens are too few for \(subsets) subsets of \(windows)"
    case .fewWindows(let set, let windows, let needed):
      "the space takes \(needed) samples, but '\(set)' has \(windows) --calibration-windows"
    case .duplicateName(let name): "two calibration sets are called '\(name)'"
    case .reservedName(let file, let name):
      "\(file): a calibration set cannot be called '\(name)', which stands for all sets together; rename the file"
    case .damagedCache(let path, let problem):
      "stored statistics are damaged: \(problem); remove \(path) to compute them again"
    }
  }

  private static func notText(_ file: String, _ kind: FileKind) -> String {
    let advice = kind == .parquet ? "this makes JSON lines of it: \(parquetConversion(file))" : kind.advice
    return "\(file): it is \(kind.name), not a text" + (advice.map { "; \($0)" } ?? "")
  }

  /// A command that writes the rows of a Parquet file as JSON lines beside it.
  static func parquetConversion(_ file: String) -> String {
    let lines = (file.hasSuffix(".parquet") ? String(file.dropLast(8)) : file) + ".jsonl"
    let program =
      "import sys, pandas; pandas.read_parquet(sys.argv[1])"
      + ".to_json(sys.argv[2], orient='records', lines=True, force_ascii=False)"
    return "python3 -c \"\(program)\" \(ShellWord.quoted(file)) \(ShellWord.quoted(lines))"
  }
}
