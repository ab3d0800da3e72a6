import Foundation
import Pipeline
import Reports
import Search
import Studies
import Subnets
import Synchronization

extension FuzzedReader {
  /// The rows of a study's database, one a line: the table and its columns, parted by tabs. The report reads them all.
  static let study = FuzzedReader(
    "study", .text,
    isRefusal: { $0 is StudyError || $0 is PipelineError || $0 is SearchSpaceError || $0 is SearchError },
    read: { input in
      let study = try template.get()
      try study.fill(with: input)
      let report = try ReportBuilder.report(study.folder.path)
      _ = (FrontCSV.data(report), FrontJSON.data(report), HTMLPage.data(report))
    })

  private static let template = Result { try StudyTemplate() }
}

/// A study in a folder whose rows are replaced again and again.
private final class StudyTemplate: Sendable {
  let folder: URL
  private let connection: Mutex<SQLiteConnection>
  /// Tables and how many columns each has.
  private let tables: [String: Int]

  init() throws {
    folder = InputFolder("study").url
    let place = folder.appendingPathComponent("study")
    try? FileManager.default.removeItem(at: place)
    let space = try DesignSpace([Variable(name: "a", domain: .integer(low: 0, high: 1, step: 1), segment: 0)])
    let made = try Study.create(
      in: StudyPlace(at: .folder(place), name: "study"), name: "study", directions: [.minimize],
      model: ModelIdentity(name: "model", fingerprint: "0"), space: space)
    try made.close()
    try FileManager.default.moveItem(
      at: place.appendingPathComponent(Study.fileName), to: folder.appendingPathComponent(Study.fileName))
    let database = try SQLiteConnection(path: folder.appendingPathComponent(Study.fileName).path)
    try database.run("PRAGMA synchronous = OFF")
    try database.run("PRAGMA journal_mode = MEMORY")
    let counts = try database.run(
      """
      SELECT t.name AS name, COUNT(*) AS columns FROM sqlite_master AS t, pragma_table_info(t.name)
      WHERE t.type = 'table' GROUP BY t.name
      """)
    tables = Dictionary(
      uniqueKeysWithValues: counts.map { ($0.text("name") ?? "", Int($0.integer("columns") ?? 0)) })
    connection = Mutex(database)
  }

  /// Rows that break a constraint of the tables are left out, as a database would refuse them.
  func fill(with input: [UInt8]) throws {
    try connection.withLock { database in
      try database.run("BEGIN")
      for table in tables.keys { try database.run("DELETE FROM \(table)") }
      for line in input.split(separator: UInt8(ascii: "\n")) {
        let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
          .map { String(decoding: $0, as: UTF8.self) }
        guard let columns = tables[fields[0]] else { continue }
        let values = (1...columns).map { $0 < fields.count ? Self.value(fields[$0]) : String?.none }
        let places = repeatElement("?", count: columns).joined(separator: ", ")
        _ = try? database.run("INSERT OR IGNORE INTO \(fields[0]) VALUES (\(places))", values)
      }
      try database.run("COMMIT")
    }
  }

  private static func value(_ text: String) -> any SQLArgument {
    if text == "NULL" { return String?.none }
    if let number = Int64(text) { return number }
    if let number = Double(text) { return number }
    return text
  }
}
