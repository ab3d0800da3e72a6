/// What can be wrong with calibration text and with stored statistics.
public enum CalibrationError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case emptyText(file: String)
  case notUTF8(file: String)
  case badLine(file: String, line: Int, field: String)
  case tooShort(source: String, tokens: Int, window: Int, needed: Int)
  /// Too little is left of a text after its documents were filtered.
  case tooShortAfterFilters(source: String, tokens: Int, window: Int, needed: Int, dropped: Int, documents: Int)
  /// The loss band left no window.
  case emptyLossBand(source: String, band: CalibrationFilter.LossBand, windows: Int)
  /// Fewer calibration windows than all subsets of a set need.
  case tooFewForSubsets(source: String, available: Int, length: Int, subsets: Int, windows: Int)
  case duplicateName(String)
  case reservedName(file: String, name: String)
  case damagedCache(path: String, problem: String)

  public var description: String {
    switch self {
    case .unreadable(let file, let reason): "\(file): \(reason)"
    case .emptyText(let file): "\(file): the text is empty"
    case .notUTF8(let file): "\(file): the text is not valid UTF-8"
    case .badLine(let file, let line, let field):
      "\(file):\(line): not a JSON object with a string '\(field)'"
    case .tooShort(let source, let tokens, let window, let needed):
      "\(source): \(tokens) tokens are too short for \(needed) window\(needed == 1 ? "" : "s") of \(window)"
    case .tooShortAfterFilters(let source, let tokens, let window, let needed, let dropped, let documents):
      "\(source): the filters dropped \(dropped) of \(documents) documents, and the \(tokens) tokens left are too short "
        + "for \(needed) windows of \(window)"
    case .emptyLossBand(let source, let band, let windows):
      "\(source): none of \(windows) windows lies in the loss band \(band)"
    case .tooFewForSubsets(let source, let available, let length, let subsets, let windows):
      "\(source): \(available) calibration windows of \(length) tokens are too few for \(subsets) subsets of \(windows)"
    case .duplicateName(let name): "two calibration sets are called '\(name)'"
    case .reservedName(let file, let name):
      "\(file): a calibration set cannot be called '\(name)', which stands for all sets together; rename the file"
    case .damagedCache(let path, let problem):
      "stored statistics are damaged: \(problem); remove \(path) to compute them again"
    }
  }
}
