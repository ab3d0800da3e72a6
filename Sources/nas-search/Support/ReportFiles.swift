import Checkpoints
import Foundation
import Pipeline
import Reports

/// The files that a study's folder holds for readers.
enum ReportFiles {
  /// Writes `front.csv`, `front.json` and `report.html` beside the study.
  static func write(_ directory: String) throws -> StudyReport {
    let report = try ReportBuilder.report(directory)
    let folder = URL(fileURLWithPath: directory)
    try AtomicFile.write(FrontCSV.data(report), to: folder.appendingPathComponent("front.csv"))
    try AtomicFile.write(FrontJSON.data(report), to: folder.appendingPathComponent("front.json"))
    try AtomicFile.write(HTMLPage.data(report), to: folder.appendingPathComponent("report.html"))
    return report
  }

  static func json(_ report: StudyReport) -> Data { FrontJSON.data(report) }

  static func json(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return try encoder.encode(value)
  }

  static func table(_ report: StudyReport) -> String {
    TerminalTable.render(report, width: Console.width(1), color: Console.outputIsTerminal)
  }
}
