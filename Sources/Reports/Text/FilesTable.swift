import Evaluation

/// Measured files as a table: what each is, its bytes, its quality on texts and in tasks, and its speed. Terminal and page share its
/// cells.
public struct FilesTable {
  struct Row: Sendable {
    var file: MeasuredFile
    /// Whether no other file is as small and as good.
    var isFront: Bool
    /// A cell for each title.
    var cells: [String]
  }

  let titles: [String]
  /// Columns of words; others are of numbers.
  let textColumns: Set<Int>
  /// Largest file first.
  let rows: [Row]
  /// Sentences below the table.
  let notes: [String]

  init(_ report: StudyReport) {
    let columns = report.fileColumns.filter(\.isShown)
    let files = report.files
    let hasRepairs = Set(files.map(\.repair)).subtracting([nil]).count > 1
    let hasTokens = files.contains { $0.tokens != nil }
    titles =
      ["point", "type"] + (hasRepairs ? ["repair"] : []) + (hasTokens ? ["tokens"] : [])
      + columns.map { column in
        let unit = [Self.tokensUnit].contains(column.axis.unit) ? ", \(column.axis.unit)" : ""
        return column.axis.title + unit
      } + (report.fileAxes == nil ? [] : ["front"])
    textColumns = Set(0..<2 + (hasRepairs ? 1 : 0))
    let front = Self.front(report)
    rows = files.enumerated().map { place, file in
      let words =
        [report.name(of: file), file.weights] + (hasRepairs ? [file.repair ?? ""] : [])
        + (hasTokens ? [file.tokens.map(NumberText.grouped) ?? ""] : [])
      let isFront = front.contains(place)
      return Row(
        file: file, isFront: isFront,
        cells: words + columns.map { Self.cell(file, $0) }
          + (report.fileAxes == nil ? [] : [isFront ? "yes" : ""]))
    }
    notes = Self.notes(report, columns)
  }

  private static let tokensUnit = StudyReport.promptAxis.unit

  /// Places of the files that no other beats in bytes and quality.
  private static func front(_ report: StudyReport) -> Set<Int> {
    guard let axes = report.fileAxes else { return [] }
    let points = report.files.map { PlottedPoint(kind: .file, name: "", values: report.values(of: $0)) }
    return Set(axes.front(of: points))
  }

  private static func cell(_ file: MeasuredFile, _ column: StudyReport.FileColumn) -> String {
    let (value, style) = (column.value(file), column.axis.style)
    guard let error = column.error(file) else { return NumberText.value(value, style) }
    return style == .share
      ? "\(NumberText.fixed(value.map { $0 * 100 }, 1)) ± \(NumberText.percent(error))"
      : "\(NumberText.value(value, style)) ± \(NumberText.value(error, style))"
  }

  private static func notes(_ report: StudyReport, _ columns: [StudyReport.FileColumn]) -> [String] {
    var notes: [String] = []
    if let axes = report.fileAxes {
      notes.append("front: no other file here is as small and as good in \(axes.y.title).")
    }
    if columns.contains(where: { !$0.axis.isSize && $0.axis.style == .share }) {
      notes.append("± of tasks: standard error.")
    }
    if let speed = report.speed {
      notes.append(speed.words + " ± is half of the range of the middle half of the rounds.")
    }
    if Set(report.files.map(\.tokens)).count > 1 {
      notes.append("Perplexities of different vocabularies do not compare.")
    }
    return notes
  }

  // MARK: Terminal

  /// - Parameter width: columns of the terminal, for wrapped lines; the table is as wide as it has to be.
  /// - Returns: lines joined and ended by a newline; empty without files.
  public static func render(_ report: StudyReport, width: Int = 120) -> String {
    if report.files.isEmpty { return "" }
    let table = FilesTable(report)
    let rows = ([table.titles] + table.rows.map(\.cells)).map { $0.map(TerminalText.safe) }
    let widths = table.titles.indices.map { column in rows.map { TerminalText.columns($0[column]) }.max() ?? 0 }
    let lines = rows.map { row in
      TerminalText.line(
        row.enumerated().map {
          TerminalText.pad($1, to: widths[$0], table.textColumns.contains($0) ? .left : .right)
        })
    }
    let rule = TerminalText.line(widths.map { String(repeating: "─", count: $0) })
    let notes = table.notes.flatMap { TerminalText.wrap(TerminalText.safe($0), to: max(30, width)) }
    return ([lines[0], rule] + lines.dropFirst() + (notes.isEmpty ? [] : [""]) + notes).joined(separator: "\n") + "\n"
  }
}
