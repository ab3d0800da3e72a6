import Calibration
import Foundation

extension TaskKind {
  /// Questions of 57 subjects with four choices (arXiv 2009.03300), of which the letters are scored. The authors' files are tables
  /// without a head: the question, four choices, and the letter of the right one.
  static let mmlu = TaskKind(
    "mmlu", source: "arXiv 2009.03300", metrics: [.accuracy],
    files: TaskFiles(reported: ["test/SUBJECT"], development: ["val/SUBJECT"], endings: ("_test.csv", "_val.csv"))
  ) { files in
    try files.urls().flatMap { url in
      let subject = url.lastPathComponent.split(separator: "_").dropLast().joined(separator: "_")
      return try CSVRows(JSONLines.text(of: url), file: url.path).map { place, cells in
        try question(place, cells, subject: subject)
      }
    }
  }

  private static func question(_ place: String, _ cells: [String], subject: String) throws -> TaskItem {
    guard cells.count == 6 else {
      throw TaskError.unusable(place, "\(cells.count) cells instead of 6: a question, four choices and a letter")
    }
    let letters = ["A", "B", "C", "D"]
    guard let right = letters.firstIndex(of: cells[5].trimmed) else {
      throw TaskError.unusable(place, "the label '\(cells[5])' is none of A, B, C and D")
    }
    let choices = zip(letters, cells[1...4]).map { "\($0). \($1)\n" }.joined()
    let title = subject.split(separator: "_").joined(separator: " ")
    let head = "The following are multiple choice questions (with answers) about \(title).\n\n"
    return try .choice(
      place, "\(head)\(cells[0].trimmed)\n\(choices)Answer:", letters, right: right, group: subject)
  }
}

/// The rows of a table in the form of RFC 4180, with their places.
struct CSVRows: Sequence {
  private let rows: [(place: String, cells: [String])]

  /// - Throws: `TaskError.unusable` for a quotation mark that is not closed.
  init(_ text: String, file: String) throws {
    var rows: [(place: String, cells: [String])] = []
    var (cells, cell) = ([String](), String.UnicodeScalarView())
    var (isQuoted, line, first) = (false, 1, 1)
    var rest = text.unicodeScalars[...]
    func finished() -> [String] { cells + [String(cell)] }
    while let scalar = rest.popFirst() {
      if scalar == "\n" { line += 1 }
      switch scalar {
      case "\"" where isQuoted && rest.first == "\"": cell.append(rest.removeFirst())
      case "\"" where isQuoted || cell.isEmpty: isQuoted.toggle()
      case "," where !isQuoted:
        cells.append(String(cell))
        cell.removeAll()
      case "\r" where !isQuoted && (rest.first == "\n" || rest.isEmpty): break
      case "\n" where !isQuoted:
        if !cells.isEmpty || !cell.isEmpty { rows.append(("\(file):\(first)", finished())) }
        (cells, first) = ([], line)
        cell.removeAll()
      default: cell.append(scalar)
      }
    }
    guard !isQuoted else { throw TaskError.unusable("\(file):\(first)", "a quotation mark is not closed") }
    if !cells.isEmpty || !cell.isEmpty { rows.append(("\(file):\(first)", finished())) }
    self.rows = rows
  }

  func makeIterator() -> IndexingIterator<[(place: String, cells: [String])]> { rows.makeIterator() }
}
