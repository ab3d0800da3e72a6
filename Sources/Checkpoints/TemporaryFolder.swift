import Foundation

/// An empty folder beside a destination, in which the new content is built.
///
/// A lock marks a folder in use. The folder of a killed process has no lock, and the next process that builds at the
/// same place removes it.
final class TemporaryFolder {
  let url: URL
  private let destination: Destination
  private let descriptor: Int32
  /// Folders that were made above the destination, outermost first.
  private let parents: [String]

  /// - Throws: `CheckpointError.unwritable`; nothing is left behind then.
  init(besides destination: Destination) throws {
    self.destination = destination
    parents = try Self.createParents(of: destination)
    Self.removeLeftovers(of: destination.url)
    while true {
      let temporary = temporarySibling(of: destination.url)
      TemporaryPlaces.enter(temporary.path, parents: parents)
      guard mkdir(temporary.path, 0o777) == 0 else {
        let reason = errno
        TemporaryPlaces.leave(temporary.path)
        for parent in parents.reversed() { rmdir(parent) }
        throw Self.failure(destination, reason)
      }
      let descriptor = open(temporary.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      let isHeld = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
      // Between the two steps another process may have removed it as a leftover.
      if isHeld, access(temporary.path, F_OK) == 0 {
        (url, self.descriptor) = (temporary, descriptor)
        return
      }
      TemporaryPlaces.leave(temporary.path)
      close(descriptor)
    }
  }

  deinit {
    TemporaryPlaces.leave(url.path)
    close(descriptor)
  }

  /// The path at which a file is built, if the destination is a file; `nil` for a folder, which is built whole.
  var content: URL? {
    destination.form == .file ? url.appendingPathComponent(destination.url.lastPathComponent) : nil
  }

  /// Removes this folder, and the folders that were made for it.
  func discard() {
    try? FileManager.default.removeItem(at: url)
    for parent in parents.reversed() { rmdir(parent) }
  }

  /// Gives the new content the destination's name, and removes the old content.
  func settle() throws {
    if let content {
      guard rename(content.path, destination.url.path) == 0 else { throw Self.failure(destination, errno) }
      return rmdir(url.path) == 0 ? () : try FileManager.default.removeItem(at: url)
    }
    let path = destination.url.path
    // Replaces nothing or an empty folder.
    if rename(url.path, path) == 0 { return }
    guard errno == ENOTEMPTY || errno == EEXIST else { throw Self.failure(destination, errno) }
    // The two folders exchange their names in one step; the old folder is then the temporary one.
    if Self.exchange(url.path, path) {
      try? FileManager.default.removeItem(at: url)
      return
    }
    // On a file system without exchange: sets the old folder aside, and brings it back if the new one cannot take its
    // place.
    let aside = temporarySibling(of: destination.url)
    guard rename(path, aside.path) == 0 else { throw Self.failure(destination, errno) }
    guard rename(url.path, path) == 0 else {
      let reason = errno
      rename(aside.path, path)
      throw Self.failure(destination, reason)
    }
    try? FileManager.default.removeItem(at: aside)
  }

  /// Turns an error about a file in this folder into one about the place that the caller knows.
  func renamed(_ error: any Error) -> any Error {
    func known(_ path: String) -> String {
      if let content, path.hasPrefix(content.path) { return destination.path }
      return path.hasPrefix(url.path) ? destination.path + path.dropFirst(url.path.count) : path
    }
    return switch error as? CheckpointError {
    case .unwritable(let file, let reason): CheckpointError.unwritable(path: known(file), reason: reason)
    case .invalidPlan(let file, let problem): CheckpointError.invalidPlan(file: known(file), problem: problem)
    default: error
    }
  }

  /// Removes temporary folders of this destination that no process holds any more.
  private static func removeLeftovers(of destination: URL) {
    let folder = destination.deletingLastPathComponent()
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where isTemporary(name, of: destination) {
      let path = folder.appendingPathComponent(name).path
      let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if descriptor < 0 { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileManager.default.removeItem(atPath: path) }
      close(descriptor)
    }
  }

  /// - Returns: the folders that were created, outermost first.
  private static func createParents(of destination: Destination) throws -> [String] {
    var missing: [String] = []
    var parent = destination.url.deletingLastPathComponent()
    while !FileManager.default.fileExists(atPath: parent.path), parent.path != "/" {
      missing.append(parent.path)
      parent = parent.deletingLastPathComponent()
    }
    var created: [String] = []
    for path in missing.reversed() {
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        let reason = errno
        for path in created.reversed() { rmdir(path) }
        throw failure(destination, reason)
      }
      created.append(path)
    }
    return created
  }

  /// Linux's `renameat2` with `RENAME_EXCHANGE`. Looked up at run time, because the headers that Swift sees declare it
  /// only as an extension.
  private static func exchange(_ first: String, _ second: String) -> Bool {
    typealias Rename = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let symbol = dlsym(nil, "renameat2") else { return false }
    let exchangeFlag: UInt32 = 2
    return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first, AT_FDCWD, second, exchangeFlag) == 0
  }

  private static func failure(_ destination: Destination, _ code: Int32) -> CheckpointError {
    .unwritable(path: destination.path, reason: systemMessage(code))
  }
}
