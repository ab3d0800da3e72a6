/// A comparison of methods as tables for a terminal: perplexity text by text, then KL, seconds and memory.
///
/// Methods are rows, sizes are columns, the best of each column is marked. Where the sizes do not fit beside each other
/// they go on in a further table: a narrow terminal loses nothing.
public enum ComparisonTable {
  /// - Parameters:
  ///   - width: columns of the terminal; lines of the tables do not exceed it unless it is under about 45.
  ///   - color: whether to use ANSI colours as well; the best of a column has a `*` in any case.
  /// - Returns: lines joined and ended by a newline.
  public static func render(_ comparison: MethodComparison, width: Int = 120, color: Bool = false) -> String {
    var lines = header(comparison, width: width, color: color)
    if comparison.cells.isEmpty {
      lines += ["", "Nothing measured yet."]
    } else {
      for grid in ComparisonGrid.all(comparison) {
        lines.append("")
        lines += table(grid, width: width, color: color)
      }
      lines.append("")
      lines += TerminalText.wrap("* best of its column. – not known or not a number.", to: max(20, width))
      lines += failures(comparison, width: width)
    }
    lines.append("Command:  " + TerminalText.safe(comparison.command))
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Around the tables

  private static func header(_ comparison: MethodComparison, width: Int, color: Bool) -> [String] {
    let stages = comparison.stages.map { stage in
      "\(stage.name) \(NumberText.duration(stage.seconds))"
        + (stage.peakBytes.map { " (peak \(NumberText.bytes($0)))" } ?? "")
    }
    return TerminalText.facts(
      [("Model", ReportWords.model(comparison.model)), ("Calibrated", comparison.calibration)]
        + (stages.isEmpty ? [] : [("Shared", stages.joined(separator: ", "))]), width: width, color: color)
  }

  private static func failures(_ comparison: MethodComparison, width: Int) -> [String] {
    ComparisonGrid.failures(comparison).flatMap { TerminalText.wrap(TerminalText.safe($0), to: max(20, width)) }
  }

  // MARK: Tables

  private static func table(_ grid: ComparisonGrid, width: Int, color: Bool) -> [String] {
    let names = grid.rows.map { TerminalText.truncate(TerminalText.safe($0.method), to: max(12, width / 3)) }
    let nameWidth = names.reduce(TerminalText.columns("method")) { max($0, TerminalText.columns($1)) }
    let columns = grid.columns.indices.map { Column(grid, $0) }
    var lines = TerminalText.wrap(TerminalText.safe(grid.title), to: max(20, width)).map {
      TerminalText.paint($0, .bold, color: color)
    }
    for range in chunks(columns.map(\.width), room: width - nameWidth) {
      let titles = range.map { TerminalText.pad(grid.columns[$0] + " ", to: columns[$0].width, .right) }
      lines.append(TerminalText.line([TerminalText.pad("method", to: nameWidth, .left)] + titles))
      let rule = range.map { String(repeating: "─", count: columns[$0].width - 1) + " " }
      lines.append(
        TerminalText.paint(
          TerminalText.line([String(repeating: "─", count: nameWidth)] + rule), .dim, color: color))
      for (name, row) in zip(names, grid.rows) {
        let entries = range.map { columns[$0].text(row.entries[$0], grid.separator, color: color) }
        lines.append(TerminalText.line([TerminalText.pad(name, to: nameWidth, .left)] + entries))
      }
    }
    return lines
  }

  /// Columns that fit beside each other, at least one at a time.
  private static func chunks(_ widths: [Int], room: Int) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var start = 0
    var used = 0
    for (index, width) in widths.enumerated() {
      if index > start, used + TerminalText.gap.count + width > room {
        chunks.append(start..<index)
        (start, used) = (index, 0)
      }
      used += TerminalText.gap.count + width
    }
    if start < widths.count { chunks.append(start..<widths.count) }
    return chunks
  }

  /// Widths of one column of a grid: those of its parts, and of the whole with the place of the mark.
  private struct Column {
    let parts: [Int]
    let width: Int

    init(_ grid: ComparisonGrid, _ index: Int) {
      let entries = grid.rows.map { $0.entries[index] }
      let count = entries.map(\.parts.count).max() ?? 0
      let parts = (0..<count).map { part in
        entries.filter { $0.parts.count == count }.map { TerminalText.columns($0.parts[part]) }.max() ?? 0
      }
      let joined = parts.reduce(0, +) + max(0, count - 1) * TerminalText.columns(grid.separator)
      let whole = entries.map { TerminalText.columns($0.parts.joined()) }.max() ?? 0
      self.parts = parts
      width = max(joined, whole, TerminalText.columns(grid.columns[index])) + 1
    }

    func text(_ entry: ComparisonGrid.Entry, _ separator: String, color: Bool) -> String {
      let isWhole = entry.parts.count == parts.count
      let text =
        isWhole
        ? zip(entry.parts, parts).map { TerminalText.pad($0, to: $1, .right) }.joined(separator: separator)
        : entry.parts.joined(separator: separator)
      let padded = TerminalText.pad(text, to: width - 1, .right)
      if entry.isBest { return TerminalText.paint(padded + "*", .green, color: color) }
      return TerminalText.paint(padded, entry.failure == nil ? nil : .dim, color: color) + " "
    }
  }
}
