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
    /// Whether there is one only where files were measured.
    var isOptional = false
    let data: @Sendable (StudyReport) -> Data
  }

  private static let kinds = [
    Kind(name: "front.csv", mark: "kind,point,trial,keep_ratio", data: { FrontCSV.data($0) }),
    Kind(name: "front.json", mark: "\"name\": \"nas-search\"", data: { FrontJSON.data($0) }),
    Kind(name: "files.csv", mark: "file,point,trial,weights", isOptional: true, data: { FilesCSV.data($0) }),
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
      try destination(folder.appendingPathComponent(kind.name), mark: kind.mark, called: "report")
    }
  }

  /// A file that replaces none but one of ours.
  ///
  /// - Parameter mark: words that only a file of ours holds.
  private static func destination(_ url: URL, mark: String, called name: String) throws -> Destination {
    try Destination(url, .file) { url in
      let text = (try? Data(contentsOf: url, options: .alwaysMapped)) ?? Data()
      return text.range(of: Data(mark.utf8)) == nil ? "there is a file of this name that is no \(name)" : nil
    }
  }

  /// Writes a figure, in the format that the ending of its name says.
  ///
  /// - Throws: `CheckpointError.unwritable`, also where a file that is no figure of ours has the name.
  static func write(_ report: StudyReport, _ axes: AxisPair, to path: String) throws {
    guard let format = FrontFigure.Format(path: path) else { return }
    let place = try destination(URL(fileURLWithPath: path), mark: format.mark, called: "figure of nas-search")
    try place.build { try AtomicFile.write(FrontFigure.data(report, axes, as: format), to: $0) }
  }

  /// Writes `front.csv`, `front.json` and `report.html`, and `files.csv` where files were measured: beside the study or, of one on a server, to `runs/NAME`.
  ///
  /// - Parameter output: another folder.
  /// - Returns: the folder.
  static func write(_ report: StudyReport, of address: StudyAddress, to output: String?) throws -> String {
    let path = folder(report.name, of: address, to: output)
    for (kind, destination) in zip(kinds, try destinations(in: URL(fileURLWithPath: path))) {
      if kind.isOptional && report.files.isEmpty { continue }
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
    let files = FilesTable.render(report, width: Console.width(1))
    return TerminalTable.render(report, width: Console.width(1), color: Console.outputIsTerminal)
      + (files.isEmpty ? "" : "\n" + files)
  }
}
