import Checkpoints
import Foundation

/// Reads text files for calibration and evaluation.
public enum TextCorpus {
  /// The content of a file.
  enum Content {
    case text(String)
    /// The texts of records, in order.
    case records([String])
  }

  /// The whole text of a source; the texts of records are joined by blank lines. The model as a source has none.
  ///
  /// - Throws: `CalibrationError` for a file that is missing, no text, damaged or empty, and for a record without the
  ///   field.
  public static func read(_ source: CalibrationSource) throws -> String {
    switch try content(of: source) {
    case .text(let text): return text
    case .records(let texts):
      // Separators alone are not text.
      if texts.allSatisfy(\.utf8.isEmpty), let url = source.url { throw CalibrationError.emptyText(url.path) }
      return texts.joined(separator: TextDocuments.separator)
    }
  }

  /// - Throws: as `read`, except for records that are all empty.
  static func content(of source: CalibrationSource) throws -> Content {
    guard case .file(let url, let field) = source else { return .records([]) }
    return try TextFile.withUTF8(of: url) { bytes in
      let records = TextRecords(file: url.path, text: bytes, field: TextField(path: field))
      do {
        switch try TextForm(bytes, isNamedJSON: CalibrationSource.isNamedJSON(url)) {
        case .plain: return .text(String(decoding: bytes, as: UTF8.self))
        case .lines: return .records(try records.ofLines())
        case .values(let first, let end): return .records(try records.ofValues(first, end: end))
        }
      } catch let error as JSONSyntaxError {
        throw records.error(error)
      }
    }
  }
}

/// The texts of records in a JSON text.
private struct TextRecords {
  let file: String
  let text: UnsafeRawBufferPointer
  let field: TextField

  /// One a line.
  func ofLines() throws -> [String] {
    try Lines(text).map { line in
      do {
        return try field.text(of: line.value(), at: "\(file):\(line.number)")
      } catch let error as JSONSyntaxError {
        throw CalibrationError.badJSON(
          file: file, line: line.number, byte: line.indentation + error.position, problem: error.problem)
      }
    }
  }

  /// The texts of values one after another; a list holds one in each element.
  func ofValues(_ first: JSONValue, end: Int) throws -> [String] {
    var texts: [String] = []
    var (value, start, end) = (first, text.firstIndex { !isBlank($0) } ?? 0, end)
    while true {
      if let list = value.array {
        for (number, element) in list.enumerated() {
          texts.append(try field.text(of: element, at: "\(file): element \(number) of the list"))
        }
      } else {
        texts.append(try field.text(of: value, at: "\(file):\(line(at: start).number)"))
      }
      guard let next = text[end...].firstIndex(where: { !isBlank($0) }) else { return texts }
      start = next
      do {
        let rest = try JSONValue.parsePrefix(UnsafeRawBufferPointer(rebasing: text[next...]), dialect: .python)
        (value, end) = (rest.value, next + rest.end)
      } catch {
        throw JSONSyntaxError(problem: error.problem, position: next + error.position)
      }
    }
  }

  func error(_ error: JSONSyntaxError) -> CalibrationError {
    let line = line(at: error.position)
    return .badJSON(file: file, line: line.number, byte: error.position - line.start, problem: error.problem)
  }

  private func line(at position: Int) -> (number: Int, start: Int) {
    let before = text[..<min(position, text.count)]
    let start = before.lastIndex(of: newline).map { $0 + 1 } ?? 0
    return (1 + before.count { $0 == newline }, start)
  }
}
