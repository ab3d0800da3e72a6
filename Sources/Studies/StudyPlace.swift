import Foundation

/// A directory, or a name on a server, that is held for a study before its preparation, so that no second process
/// prepares one there.
public final class StudyPlace: Sendable {
  public static let lockName = "study.lock"

  /// The held place.
  enum Hold: Sendable {
    /// `made`: directories that `abandon` removes, the innermost first; `madeLock`: a lock file that it removes.
    case folder(URL, StudyLock, made: [String], madeLock: String?)
    /// An open database with the lock of the name.
    case server(PostgresURL, PostgresDatabase, name: String)
  }

  let hold: Hold

  /// Makes the directory and those above it if they are missing, or connects to the server, and takes the lock.
  ///
  /// A disk or a server is asked here for everything that it could refuse at the end, such as room, tables or a name:
  /// tables are made and undone.
  ///
  /// - Parameters:
  ///   - name: name of the future study; a directory is held as a whole.
  ///   - attributes: some of the attributes that will be stored, each a JSON text.
  /// - Throws: `StudyError.inUse`, `.alreadyExists`, `.file`, `.database`, `.invalidStudy`, `.unsupportedSchema`.
  ///   Nothing is left behind then.
  public init(
    at location: StudyLocation, name: String, attributes: [String: String] = [:]
  ) throws(StudyError) {
    switch location {
    case .folder(let directory): hold = try Self.hold(directory)
    case .server(let url):
      try NewStudy.check(name: name)
      let database = try PostgresDatabase(url)
      try database.holdLock(named: name)
      hold = .server(url, database, name: name)
    }
    do throws(StudyError) {
      switch hold {
      case .folder(let directory, _, _, _):
        if Study.exists(at: directory) { throw .alreadyExists(path: location.studyName(name)) }
        try Study.rehearseCreation(in: directory)
      case .server(let url, let database, _):
        if try database.read({ try OptunaSchema.hasStudy($0, named: name) }) {
          throw .alreadyExists(path: location.studyName(name))
        }
        try Study.rehearseCreation(in: database, url, name: name, attributes)
      }
    } catch {
      abandon()
      throw error
    }
  }

  private static func hold(_ directory: URL) throws(StudyError) -> Hold {
    let path = directory.appendingPathComponent(lockName).path
    let made = try makeDirectories(directory)
    let isNew = !FileManager.default.fileExists(atPath: path)
    do {
      let lock = try StudyLock(path: path, directory: directory.path)
      return .folder(directory, lock, made: made, madeLock: isNew ? path : nil)
    } catch {
      for directory in made { rmdir(directory) }
      throw error
    }
  }

  /// Gives the place up and removes the files and folders that were made for it, unless something else lies there now.
  public func abandon() {
    switch hold {
    case .folder(_, let lock, let made, let madeLock):
      if let madeLock, lock.isInPlace { unlink(madeLock) }
      lock.release()
      for directory in made { rmdir(directory) }
    case .server(_, let database, _):
      // There is nothing to save, and a lost connection has already lost its lock.
      try? database.close()
    }
  }

  /// - Returns: the directories that were made, the innermost first.
  private static func makeDirectories(_ url: URL) throws(StudyError) -> [String] {
    var missing: [String] = []
    var directory = URL(fileURLWithPath: url.standardizedFileURL.path)
    while !FileManager.default.fileExists(atPath: directory.path), directory.path != "/" {
      missing.append(directory.path)
      directory = directory.deletingLastPathComponent()
    }
    var made: [String] = []
    for path in missing.reversed() {
      if mkdir(path, 0o777) != 0 && errno != EEXIST {
        let reason = StudyLock.reason()
        for path in made { rmdir(path) }
        throw .file(path: url.path, reason: "the directory cannot be made: \(reason)")
      }
      made.insert(path, at: 0)
    }
    return made
  }
}
