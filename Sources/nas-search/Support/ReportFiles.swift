import Checkpoints
import Foundation
import Reports
import Studies

/// The files that a study's folder holds for readers.
enum ReportFiles {
  private struct Kind: Sendable {
    let name: String
    /// Words that only a file of ours holds.
    let mark: String
    let data: @Sendable (StudyReport) -> Data
  }

  private static let kinds = [
    Kind(name: "front.csv", mark: "kind,point,trial,keep_ratio", data: { FrontCSV.data($0) }),
    Kind(name: "front.json", mark: "\"name\": \"nas-search\"", data: { FrontJSON.data($0) }),
    Kind(name: "report.html", mark: "nas-search report</title>", data: { HTMLPage.data($0) }),
  ]

  /// Whether the files can be written, before the work that they tell of.
  ///
  /// - Throws: `CheckpointError.unwritable`, also where another file has the name of one.
  static func check(_ address: StudyAddress, to output: String?) throws {
    // A folder that is made for its study is tried with the study.
    guard let name = address.newName, address.folder.map({ $0.hasDirectoryPath }) ?? true || output != nil else {
      return
    }
    let folder = URL(fileURLWithPath: folder(name, of: address, to: output))
    for destination in try destinations(in: folder) { try destination.rehearse() }
  }

  private static func folder(_ name: String, of address: StudyAddress, to output: String?) -> String {
    output ?? (address.folder == nil ? "runs/\(folder(named: name))" : "\(address)")
  }

  private static func destinations(in folder: URL) throws -> [Destination] {
    try kinds.map { kind in
      try Destination(folder.appendingPathComponent(kind.name), .file) { url in
        let text = (try? Data(contentsOf: url, options: .alwaysMapped)) ?? Data()
        return text.range(of: Data(kind.mark.utf8)) == nil ? "there is a file of this name that is no report" : nil
      }
    }
  }

  /// Writes `front.csv`, `front.json` and `report.html`: beside the study or, of one on a server, to `runs/NAME`.
  ///
  /// - Parameter output: another folder.
  /// - Returns: the folder.
  static func write(_ report: StudyReport, of address: StudyAddress, to output: String?) throws -> String {
    let path = folder(report.name, of: address, to: output)
    for (kind, destination) in zip(kinds, try destinations(in: URL(fileURLWithPath: path))) {
      try destination.build { try AtomicFile.write(kind.data(report), to: $0) }
    }
    return path
  }

  /// A path below a folder, whatever a study on a server is called.
  static func folder(named name: String) -> String {
    let parts = name.split(separator: "/").filter { !["", ".", ".."].contains($0) }
    return parts.isEmpty ? "study" : parts.joined(separator: "/")
  }

  static func table(_ report: StudyReport) -> String {
    TerminalTable.render(report, width: Console.width(1), color: Console.outputIsTerminal)
  }
}
