import Foundation

/// Further files of a study, such as the calibration windows that its workers need.
///
/// In a directory these are files. On a server they are rows of `nas_search_files`, a table that Optuna ignores, each
/// with the SHA-256 of its content.
extension Study {
  /// The content of a file of the study; `nil` if there is none of this name.
  ///
  /// - Throws: `StudyError.invalidFileName`, `.file`, `.corrupt` if the content does not match its SHA-256,
  ///   `.database`.
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
      return try database.read { session in
        let rows = try session.run(
          """
          SELECT encode(content, 'base64') AS content, encode(sha256(content), 'hex') AS actual, sha256
          FROM nas_search_files WHERE study_id = ? AND name = ?
          """, [identifier, name])
        guard let row = rows.first else { return nil }
        let text = row.text("content") ?? ""
        guard let content = Data(base64Encoded: text, options: .ignoreUnknownCharacters),
          row.text("actual") == row.text("sha256")
        else {
          throw StudyError.corrupt(path: url.description, reason: "the file '\(name)' does not fit its SHA-256")
        }
        return content
      }
    }
  }

  static func write(_ content: Data, to url: URL) throws(StudyError) {
    do {
      try content.write(to: url, options: .atomic)
    } catch {
      throw .file(path: url.path, reason: error.localizedDescription)
    }
  }

  /// Stores a file on a server.
  static func insert(file name: String, _ content: Data, study: Int64, _ session: any DatabaseSession) throws {
    try session.run(
      """
      INSERT INTO nas_search_files (study_id, name, content, sha256)
      SELECT study_id, ?, bytes, encode(sha256(bytes), 'hex')
      FROM (SELECT decode(?, 'base64') AS bytes, CAST(? AS integer) AS study_id) AS given
      """, [name, content.base64EncodedString(), study])
  }

  static func check(fileName name: String) throws(StudyError) {
    let own = [fileName, StudyPlace.lockName]
    if name.isEmpty || name.contains("/") || name.hasPrefix(".") || own.contains(where: name.hasPrefix) {
      throw .invalidFileName(name)
    }
  }
}
