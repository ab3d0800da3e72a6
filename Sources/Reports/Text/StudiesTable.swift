import Evaluation

/// Studies side by side for a terminal: what they reached, after how many evaluations, and in which settings they differ.
///
/// Values compare only between studies of one model on the same fitness windows; where they are not, a line says so.
public enum StudiesTable {
  private static let sizes = [0.9, 0.8, 0.7, 0.65, 0.6, 0.5]

  /// - Parameters:
  ///   - reports: at least one.
  ///   - width: columns of the terminal, for wrapped lines; the table is as wide as it has to be.
  /// - Returns: lines joined and ended by a newline.
  public static func render(_ reports: [StudyReport], width: Int = 120) -> String {
    let rows = head(reports) + results(reports) + differences(reports)
    let names = rows.map { TerminalText.columns($0.name) }.max() ?? 0
    let columns = reports.indices.map { place in
      rows.map { TerminalText.columns($0.cells[place]) }.max() ?? 0
    }
    var lines = rows.map { row in
      let cells = zip(row.cells, columns).map { TerminalText.pad($0, to: $1, .right) }
      return ([TerminalText.pad(row.name, to: names, .left)] + cells).joined(separator: TerminalText.gap)
    }
    lines += warnings(reports).flatMap { [""] + TerminalText.wrap($0, to: max(20, width)) }
    return lines.joined(separator: "\n") + "\n"
  }

  struct Row: Equatable {
    var name: String
    var cells: [String]
  }

  private static func row(_ name: String, _ reports: [StudyReport], _ cell: (StudyReport) -> String) -> Row {
    Row(name: name, cells: reports.map { TerminalText.safe(cell($0)) })
  }

  private static func head(_ reports: [StudyReport]) -> [Row] {
    [
      row("study", reports, \.name), row("model", reports, \.model.name),
      row("evaluations", reports) { NumberText.grouped($0.evaluationsDone) },
      row("time of evaluations", reports) { NumberText.duration($0.searchSeconds) },
    ]
  }

  static func results(_ reports: [StudyReport]) -> [Row] {
    var shown: [ObjectiveDescription] = []
    for objective in reports.compactMap(\.quality) where !shown.contains(where: { $0.name == objective.name }) {
      shown.append(objective)
    }
    var rows = shown.flatMap { objective in
      sizes.compactMap { size -> Row? in
        let values = reports.map { best($0, objective, atMost: size) }
        if values.allSatisfy({ $0 == nil }) { return nil }
        return Row(
          name: "\(objective.title), at most \(ComparisonGrid.size(size)) kept",
          cells: values.map { NumberText.value($0, objective.style) })
      }
    }
    let counts = reports.map { $0.convergence.last?.evaluations ?? 0 }.filter { $0 > 0 }
    // The same numbers of evaluations for all.
    guard let least = counts.min(), counts.count == reports.count else { return rows }
    for count in [least / 4, least / 2, least] where count > 0 {
      rows.append(
        row("hypervolume after \(NumberText.grouped(count))", reports) { report in
          NumberText.fixed(report.convergence.last { $0.evaluations <= count }?.hypervolume, 4)
        })
    }
    return rows
  }

  /// The best value of a point no larger than a share, if the study has points about as large.
  private static func best(_ report: StudyReport, _ objective: ObjectiveDescription, atMost size: Double) -> Double? {
    report.front.filter { $0.measurement.keepRatio <= size + 1e-9 && $0.measurement.keepRatio > size - 0.05 }
      .compactMap { $0.measurement.values[objective.name] }
      .min { objective.direction.minimized($0) < objective.direction.minimized($1) }
  }

  static func differences(_ reports: [StudyReport]) -> [Row] {
    var keys: [String] = []
    for setting in reports.flatMap(\.settings) where !keys.contains(setting.key) { keys.append(setting.key) }
    return keys.compactMap { key in
      let row = row(key, reports) { report in
        report.settings.first { $0.key == key }?.value ?? NumberText.unknown
      }
      return Set(row.cells).count > 1 ? row : nil
    }
  }

  private static func warnings(_ reports: [StudyReport]) -> [String] {
    var warnings: [String] = []
    if Set(reports.map(\.model.fingerprint)).count > 1 {
      warnings.append("The studies search different models: nothing here compares directly.")
    } else if Set(reports.map { "\($0.dense[.perplexity] ?? 0) \($0.fitness.tokens)" }).count > 1 {
      warnings.append(
        "The studies judge on different fitness windows: their values and hypervolumes do not compare; export points and "
          + "'evaluate' them on one text.")
    }
    return warnings
  }
}
