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
    let known = Column.allCases.filter { column in
      rows.contains { ![nil, "", NumberText.unknown].contains($0.cells[column]) }
    }
    let columns = fitting(known, rows: rows, width: width)
    lines += table(rows, columns, color: color)
    lines += footer(of: report, columns, allFit: columns.count == known.count, width: width)
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Columns

  enum Column: Int, CaseIterable {
    case point, keep, parameters, kl, perplexity, ratio, kvGroups, mlpChannels, score, calibration

    var title: String {
      switch self {
      case .point: "point"
      case .keep: "kept"
      case .parameters: "params"
      case .kl: "KL"
      case .perplexity: "perplexity"
      case .ratio: "× dense"
      case .kvGroups: "KV groups"
      case .mlpChannels: "MLP channels"
      case .score: "score"
      case .calibration: "calibration"
      }
    }

    var alignment: TerminalText.Alignment {
      switch self {
      case .point, .score, .calibration: .left
      default: .right
      }
    }

    /// First to go on a narrow terminal; point, share kept and KL stay.
    static let expendable: [Column] = [
      .calibration, .score, .mlpChannels, .kvGroups, .parameters, .perplexity, .ratio,
    ]
  }

  struct Row {
    var cells: [Column: String]
    var keepRatio: Double
    var style: TerminalText.Style?
  }

  private static let gap = "  "

  private static func columnWidth(_ column: Column, _ rows: [Row]) -> Int {
    rows.reduce(TerminalText.columns(column.title)) { max($0, TerminalText.columns($1.cells[column] ?? "")) }
  }

  private static func fitting(_ columns: [Column], rows: [Row], width: Int) -> [Column] {
    var kept = columns
    for victim in Column.expendable {
      let total = kept.reduce(0) { $0 + columnWidth($1, rows) } + gap.count * (kept.count - 1)
      if total <= width { break }
      kept.removeAll { $0 == victim }
    }
    return kept
  }

  // MARK: Rows

  private static func rows(of report: StudyReport) -> [Row] {
    let full = Array(
      repeating: LayerWidths(kvGroups: report.model.kvGroupsPerLayer, mlpChannels: report.model.mlpChannels),
      count: min(report.model.layers, 1))
    let dense = Row(
      cells: cells(report, name: "dense", report.dense, widths: full), keepRatio: report.dense.keepRatio, style: .dim)
    let baselines = report.baselines.map { baseline in
      Row(
        cells: cells(
          report, name: baseline.label, baseline.measurement, widths: baseline.widths, baseline.score,
          baseline.calibration),
        keepRatio: baseline.measurement.keepRatio, style: .dim)
    }
    let front = report.front.map { point in
      Row(
        cells: cells(
          report, name: name(of: point), point.measurement, widths: point.widths, point.score, point.calibration),
        keepRatio: point.measurement.keepRatio, style: point.isBest ? .green : point.isKnee ? .cyan : nil)
    }
    let ordered = (baselines + front).enumerated().sorted { left, right in
      left.element.keepRatio != right.element.keepRatio
        ? left.element.keepRatio > right.element.keepRatio : left.offset < right.offset
    }
    return [dense] + ordered.map(\.element)
  }

  private static func name(of point: FrontPoint) -> String {
    "\(point.index)" + (point.isBest ? " best" : "") + (point.isKnee ? " knee" : "")
  }

  private static func cells(
    _ report: StudyReport, name: String, _ measurement: PointMeasurement, widths: [LayerWidths], _ score: String = "",
    _ calibration: String = ""
  ) -> [Column: String] {
    [
      .point: TerminalText.safe(name),
      .keep: NumberText.percent(measurement.keepRatio),
      .parameters: NumberText.short(measurement.parametersTotal),
      .kl: NumberText.kl(measurement.kl),
      .perplexity: NumberText.large(measurement.perplexity),
      .ratio: NumberText.large(report.ratioToDense(measurement)),
      .kvGroups: WidthsText.kvGroups(widths),
      .mlpChannels: WidthsText.mlpChannels(widths),
      .score: TerminalText.safe(score),
      .calibration: TerminalText.safe(calibration),
    ]
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
      + rows.map { row in TerminalText.paint(line { row.cells[$0] ?? "" }, row.style, color: color) }
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
    if columns.contains(.mlpChannels), report.front.contains(where: { !$0.widths.isEmpty }) {
      lines.append("KV groups: fewest–most of a layer. MLP channels: fewest–mean–most of a layer.")
    }
    if !report.importance.isEmpty {
      let largest = report.importance.prefix(5).map { "\($0.name) \(NumberText.percent($0.share, decimals: 0))" }
      lines.append(
        TerminalText.safe("What moved \(report.objectives.first ?? "") most, alone: " + largest.joined(separator: ", "))
      )
    }
    lines += report.notes.flatMap { TerminalText.wrap(TerminalText.safe($0), to: max(30, width)) }
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
