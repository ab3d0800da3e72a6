import Foundation

/// A directory that is held for a study from before it is prepared, so that no second process prepares one there too.
public final class StudyPlace: Sendable {
  static let lockName = "study.lock"

  public let directory: URL
  let lock: StudyLock
  /// What `abandon` removes, the innermost first.
  private let madeDirectories: [String]
  private let madeLock: String?

  /// Makes the directory and those above it where they are missing, and takes the lock.
  ///
  /// - Throws: `StudyError.inUse`, `.alreadyExists`, `.file`. Nothing is left behind then.
  public init(at directory: URL) throws(StudyError) {
    let path = directory.appendingPathComponent(Self.lockName).path
    let made = try Self.makeDirectories(directory)
    let isNew = !FileManager.default.fileExists(atPath: path)
    do {
      lock = try StudyLock(path: path, directory: directory.path)
    } catch {
      for directory in made { rmdir(directory) }
      throw error
    }
    self.directory = directory
    madeDirectories = made
    madeLock = isNew ? path : nil
    if Study.exists(at: directory) {
      abandon()
      throw .alreadyExists(path: directory.path)
    }
  }

  /// Gives the place up and removes what was made for it, as far as nothing else has come to lie there.
  public func abandon() {
    if let madeLock { unlink(madeLock) }
    lock.release()
    for directory in madeDirectories { rmdir(directory) }
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
