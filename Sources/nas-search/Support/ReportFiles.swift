import Checkpoints
import Foundation
import Pipeline
import Reports
import Studies

/// The files that a study's folder holds for readers.
enum ReportFiles {
  /// Writes `front.csv`, `front.json` and `report.html`: beside the study or, of one on a server, to `results/NAME`.
  ///
  /// - Parameter output: another folder.
  /// - Returns: the folder.
  static func write(_ report: StudyReport, of address: StudyAddress, to output: String?) throws -> String {
    let path = output ?? (address.folder == nil ? "results/\(folder(named: report.name))" : report.directory)
    let folder = URL(fileURLWithPath: path)
    if output != nil || address.folder == nil {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    try AtomicFile.write(FrontCSV.data(report), to: folder.appendingPathComponent("front.csv"))
    try AtomicFile.write(FrontJSON.data(report), to: folder.appendingPathComponent("front.json"))
    try AtomicFile.write(HTMLPage.data(report), to: folder.appendingPathComponent("report.html"))
    return path
  }

  /// A path below a folder, whatever a study on a server is called.
  static func folder(named name: String) -> String {
    let parts = name.split(separator: "/").filter { !["", ".", ".."].contains($0) }
    return parts.isEmpty ? "study" : parts.joined(separator: "/")
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
