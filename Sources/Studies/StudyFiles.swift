import Foundation

/// What else belongs to a study, such as the calibration windows that its workers need.
///
/// In a directory these are files. On a server they are rows of `nas_search_files`, a table that Optuna ignores, each with
/// the SHA-256 of its content.
extension Study {
  /// The content of a file of the study, `nil` if there is none of this name.
  ///
  /// - Throws: `StudyError.invalidFileName`, `.file`, `.corrupt` if the content does not fit its SHA-256, `.database`.
  public func file(_ name: String) throws(StudyError) -> Data? {
    try Self.check(fileName: name)
    switch location {
    case .folder(let directory):
      let url = directory.appendingPathComponent(name)
      if !FileManager.default.fileExists(atPath: url.path) { return nil }
      do {
        return try Data(contentsOf: url)
      } catch {
        throw .file(path: url.path, reason: error.localizedDescription)
      }
    case .server(let url):
      return try read { session in
        let rows = try session.run(
          """
          SELECT content, encode(sha256(content), 'hex') AS actual, sha256 FROM nas_search_files
          WHERE study_id = ? AND name = ?
          """, [identifier, name])
        guard let row = rows.first else { return nil }
        guard let content = row.bytes("content"), row.text("actual") == row.text("sha256") else {
          throw StudyError.corrupt(path: url.description, reason: "the file '\(name)' does not fit its SHA-256")
        }
        return content
      }
    }
  }

  /// Stores a file of the study, in place of an earlier one of the same name.
  ///
  /// - Throws: `StudyError.invalidFileName`, `.file`, `.readOnly`, `.notSearching`, `.database`.
  public func setFile(_ name: String, _ content: Data) throws(StudyError) {
    try Self.check(fileName: name)
    switch location {
    case .folder(let directory):
      if access == .inspect { throw .readOnly(path: directory.path) }
      if access == .work { throw .notSearching(path: directory.path) }
      let url = directory.appendingPathComponent(name)
      do {
        try content.write(to: url, options: .atomic)
      } catch {
        throw .file(path: url.path, reason: error.localizedDescription)
      }
    case .server:
      try writeAsSearcher { session in
        try session.run(
          """
          INSERT INTO nas_search_files (study_id, name, content, sha256)
          SELECT study_id, ?, bytes, encode(sha256(bytes), 'hex')
          FROM (SELECT CAST(? AS bytea) AS bytes, CAST(? AS integer) AS study_id) AS given
          ON CONFLICT (study_id, name) DO UPDATE SET content = excluded.content, sha256 = excluded.sha256
          """, [name, content, identifier])
      }
    }
  }

  private static func check(fileName name: String) throws(StudyError) {
    let own = [fileName, StudyPlace.lockName]
    if name.isEmpty || name.contains("/") || name.hasPrefix(".") || own.contains(where: name.hasPrefix) {
      throw .invalidFileName(name)
    }
  }
}
