import Evaluation

/// The front in two axes as a table for a terminal: the evaluations or files that no other beats in both, with what
/// they are compared with.
public enum AxesTable {
  /// - Parameter axes: of the report (`StudyReport.axes(_:)`).
  /// - Returns: lines joined and ended by a newline, in order of the first axis.
  public static func render(_ report: StudyReport, _ axes: AxisPair) -> String {
    let plotted = report.plotted(axes)
    let found = plotted.filter(\.isCandidate)
    let front = axes.front(of: found).map { found[$0] }
    let shown = (front + plotted.filter { !$0.isCandidate }).enumerated().sorted { one, other in
      let (left, right) = (one.element.values[axes.x.name] ?? 0, other.element.values[axes.x.name] ?? 0)
      return left != right ? left < right : one.offset < other.offset
    }.map(\.element)
    let others = found.count - front.count
    var rows = [["point", axes.x.title, axes.y.title]]
    rows += shown.map { point in
      [point.name] + [axes.x, axes.y].map { NumberText.value(point.values[$0.name], $0.style) }
    }
    let widths = rows[0].indices.map { column in rows.map { TerminalText.columns($0[column]) }.max() ?? 0 }
    let lines = rows.map { row in
      TerminalText.line(
        zip(row, widths).enumerated().map { column, cell in
          TerminalText.pad(TerminalText.safe(cell.0), to: cell.1, column == 0 ? .left : .right)
        })
    }
    let rule = TerminalText.line(widths.map { String(repeating: "─", count: $0) })
    let note = others == 1 ? "1 other is beaten in both." : "\(NumberText.grouped(others)) others are beaten in both."
    return ([lines[0], rule] + lines.dropFirst() + ["", note]).joined(separator: "\n") + "\n"
  }
}
