/// The Pareto front as a table for a terminal.
///
/// Every row of the front is printed however long it is. Rows stand in order of size, largest first, so that a
/// baseline is found beside the points of its size. A narrow terminal loses columns, never digits.
public enum TerminalTable {
  /// - Parameters:
  ///   - width: columns of the terminal; lines of the table do not exceed it unless it is under about 30.
  ///   - color: whether to mark the best point, the knee and the baselines with ANSI colours as well.
  /// - Returns: lines joined and ended by a newline.
  public static func render(_ report: StudyReport, width: Int = 120, color: Bool = false) -> String {
    var lines = header(of: report, width: width, color: color)
    lines.append("")
    if report.front.isEmpty {
      lines.append("No finished evaluation yet: the front is empty.")
      lines.append("")
    }
    let front = FrontTable(report)
    let rows = front.rows
    let known = ([name] + front.columns).filter { column in
      rows.contains { !["", NumberText.unknown].contains(column.cell($0)) }
    }
    let columns = fitting(known, rows: rows, width: width)
    lines += table(rows, columns, color: color)
    lines += footer(of: report, front, columns, allFit: columns.count == known.count, width: width)
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Columns

  private typealias Row = FrontTable.Row
  private typealias Column = FrontTable.Column

  private static let name = Column(title: "point", isText: true, rank: 0) { row in
    row.point.map(PointWords.label) ?? row.name
  }

  private static func title(_ column: Column) -> String { column.shortTitle ?? column.title }

  private static func text(_ column: Column, _ row: Row) -> String { TerminalText.safe(column.cell(row)) }

  private static func style(_ row: Row) -> TerminalText.Style? {
    guard let point = row.point else { return .dim }
    return point.isBest ? .green : point.isKnee ? .cyan : nil
  }

  private static func columnWidth(_ column: Column, _ rows: [Row]) -> Int {
    rows.reduce(TerminalText.columns(title(column))) { max($0, TerminalText.columns(text(column, $1))) }
  }

  private static func fitting(_ columns: [Column], rows: [Row], width: Int) -> [Column] {
    var kept = columns
    while let last = kept.map(\.rank).max(), last > 0 {
      let total = kept.reduce(0) { $0 + columnWidth($1, rows) } + TerminalText.gap.count * (kept.count - 1)
      if total <= width { break }
      kept.removeAll { $0.rank == last }
    }
    return kept
  }

  // MARK: Lines

  private static func table(_ rows: [Row], _ columns: [Column], color: Bool) -> [String] {
    let widths = columns.map { columnWidth($0, rows) }
    func line(_ cell: (Column) -> String) -> String {
      TerminalText.line(zip(columns, widths).map { TerminalText.pad(cell($0), to: $1, $0.isText ? .left : .right) })
    }
    let rule = TerminalText.line(widths.map { String(repeating: "─", count: $0) })
    return [TerminalText.paint(line(title), .bold, color: color), TerminalText.paint(rule, .dim, color: color)]
      + rows.map { row in TerminalText.paint(line { text($0, row) }, style(row), color: color) }
  }

  private static func header(of report: StudyReport, width: Int, color: Bool) -> [String] {
    TerminalText.facts(
      [
        ("Model", ReportWords.model(report.model)),
        ("Study", "\(report.name), \(ReportWords.progress(of: report))"),
        ("Fitness", ReportWords.fitness(report.fitness)), ("Calibrated", report.calibration),
      ], width: width, color: color)
  }

  private static func footer(
    of report: StudyReport, _ table: FrontTable, _ columns: [Column], allFit: Bool, width: Int
  ) -> [String] {
    var lines = [""]
    if columns.contains(where: { $0.title == table.widthsTitle }),
      report.front.contains(where: { !$0.widths.isEmpty })
    {
      lines.append(table.widthsNote)
    }
    if !report.importance.isEmpty {
      let largest = report.importance.prefix(5).map { "\($0.name) \(NumberText.percent($0.share, decimals: 0))" }
      lines.append(
        TerminalText.safe(
          "What moved \(report.objectives.first?.title ?? "") most, alone: " + largest.joined(separator: ", "))
      )
    }
    let notes = [ReportWords.failures(of: report)].compactMap(\.self) + report.notes
    lines += notes.flatMap { TerminalText.wrap(TerminalText.safe($0), to: max(30, width)) }
    if !allFit {
      lines.append("Some columns do not fit; front.csv has them all.")
    }
    if let point = report.recommended {
      let command = ExportCommand.text(report, point, format: .huggingFace)
      lines.append("Export:  " + TerminalText.safe(command))
    }
    if report.finishedAt == nil {
      lines.append("Resume:  " + TerminalText.safe(report.command))
    }
    return lines
  }
}
