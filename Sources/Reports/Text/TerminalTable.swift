import Evaluation
import Subnets

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
    let rows = self.rows(of: report)
    let known = columns(of: report).filter { column in
      rows.contains { !["", NumberText.unknown].contains(column.cell($0)) }
    }
    let columns = fitting(known, rows: rows, width: width)
    lines += table(rows, columns, color: color)
    lines += footer(of: report, columns, allFit: columns.count == known.count, width: width)
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Columns

  struct Column {
    let title: String
    var alignment = TerminalText.Alignment.right
    /// A narrow terminal loses the columns with the highest rank first, those of rank 0 never.
    let rank: Int
    let cell: (Row) -> String
  }

  /// What a row tells of.
  struct Row {
    var name: String
    var measurement: SubnetMeasurement
    var widths: [LayerWidths]
    var score = ""
    var calibration = ""
    var style: TerminalText.Style?
  }

  /// The objectives stay as long as point and share kept do.
  private static func columns(of report: StudyReport) -> [Column] {
    let values = report.columns.enumerated().flatMap { place, objective in
      let isObjective = report.objectives.contains { $0.name == objective.name }
      let value = Column(title: objective.title, rank: isObjective ? 0 : place < 2 ? 2 : 14 + place) {
        NumberText.value($0.measurement.values[objective.name], objective.style)
      }
      guard objective.name == TokenPerplexity().name else { return [value] }
      return [value, Column(title: "× dense", rank: 1) { NumberText.large(report.ratioToDense($0.measurement)) }]
    }
    return [
      Column(title: "point", alignment: .left, rank: 0) { TerminalText.safe($0.name) },
      Column(title: "kept", rank: 0) { NumberText.percent($0.measurement.keepRatio) },
      Column(title: "params", rank: 10) { NumberText.short($0.measurement.parametersTotal) },
    ] + values + [
      Column(title: "KV groups", rank: 11) { WidthsText.kvGroups($0.widths) },
      Column(title: widthsTitle, rank: 12) { WidthsText.mlpChannels($0.widths) },
      Column(title: "score", alignment: .left, rank: 13) { TerminalText.safe($0.score) },
      Column(title: "calibration", alignment: .left, rank: 14) { TerminalText.safe($0.calibration) },
    ]
  }

  private static let widthsTitle = "MLP channels"
  private static let gap = "  "

  private static func columnWidth(_ column: Column, _ rows: [Row]) -> Int {
    rows.reduce(TerminalText.columns(column.title)) { max($0, TerminalText.columns(column.cell($1))) }
  }

  private static func fitting(_ columns: [Column], rows: [Row], width: Int) -> [Column] {
    var kept = columns
    while let last = kept.map(\.rank).max(), last > 0 {
      let total = kept.reduce(0) { $0 + columnWidth($1, rows) } + gap.count * (kept.count - 1)
      if total <= width { break }
      kept.removeAll { $0.rank == last }
    }
    return kept
  }

  // MARK: Rows

  private static func rows(of report: StudyReport) -> [Row] {
    let full = LayerWidths(groups: report.model.kvGroupsPerLayer, channels: report.model.mlpChannels)
    let dense = Row(
      name: "dense", measurement: report.dense, widths: report.model.layers > 0 ? [full] : [], style: .dim)
    let baselines = report.baselines.map {
      Row(
        name: $0.label, measurement: $0.measurement, widths: $0.widths, score: $0.score, calibration: $0.calibration,
        style: .dim)
    }
    let front = report.front.map {
      Row(
        name: name(of: $0), measurement: $0.measurement, widths: $0.widths, score: $0.score,
        calibration: $0.calibration, style: $0.isBest ? .green : $0.isKnee ? .cyan : nil)
    }
    let ordered = (baselines + front).enumerated().sorted { left, right in
      let (one, other) = (left.element.measurement.keepRatio, right.element.measurement.keepRatio)
      return one != other ? one > other : left.offset < right.offset
    }
    return [dense] + ordered.map(\.element)
  }

  private static func name(of point: FrontPoint) -> String {
    "\(point.index)" + (point.isBest ? " best" : "") + (point.isKnee ? " knee" : "")
  }

  // MARK: Lines

  private static func table(_ rows: [Row], _ columns: [Column], color: Bool) -> [String] {
    let widths = columns.map { columnWidth($0, rows) }
    func line(_ cell: (Column) -> String) -> String {
      let text = zip(columns, widths).map { TerminalText.pad(cell($0), to: $1, $0.alignment) }.joined(separator: gap)
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
    let rule = widths.map { String(repeating: "─", count: $0) }.joined(separator: gap)
    return [TerminalText.paint(line(\.title), .bold, color: color), TerminalText.paint(rule, .dim, color: color)]
      + rows.map { row in TerminalText.paint(line { $0.cell(row) }, row.style, color: color) }
  }

  private static func header(of report: StudyReport, width: Int, color: Bool) -> [String] {
    let model = report.model
    let facts: [(String, String)] = [
      (
        "Model",
        "\(model.name), \(model.architecture), \(model.layers) layers, "
          + "\(NumberText.short(model.parametersTotal)) parameters "
          + "(\(NumberText.short(model.parametersBlock)) in blocks)"
      ),
      ("Study", "\(report.name), \(ReportWords.progress(of: report))"),
      ("Fitness", ReportWords.fitness(report.fitness)),
      ("Calibrated", report.calibration),
    ]
    return facts.flatMap { name, value in
      TerminalText.wrap(TerminalText.safe(value), to: max(20, width - 12)).enumerated().map { number, text in
        let label = TerminalText.pad(number == 0 ? name : "", to: 10, .left)
        return TerminalText.paint(label, .bold, color: color) + gap + text
      }
    }
  }

  private static func footer(of report: StudyReport, _ columns: [Column], allFit: Bool, width: Int) -> [String] {
    var lines = [""]
    if columns.contains(where: { $0.title == widthsTitle }), report.front.contains(where: { !$0.widths.isEmpty }) {
      lines.append("KV groups: fewest–most of a layer. MLP channels: fewest–mean–most of a layer.")
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
