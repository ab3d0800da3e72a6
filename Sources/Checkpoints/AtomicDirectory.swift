import Foundation

/// Building a folder so that its place holds the old folder or the whole new one, never a part.
public enum AtomicDirectory {
  /// Calls `body` with an empty temporary folder beside the destination, and gives that folder the destination's name
  /// when `body` returns. Where anything fails, the temporary folder is removed and the destination stays as it was.
  /// The temporary folder of a process that was killed is removed by the next that builds at the same place.
  ///
  /// - Parameters:
  ///   - url: the destination. Missing folders above it are created.
  ///   - replacing: whether an existing folder that is not empty may be replaced, with all it holds.
  /// - Throws: `CheckpointError.alreadyExists`, `.unwritable`, and what `body` throws.
  public static func build<Result>(
    at url: URL, replacing: Bool = false, _ body: (URL) throws -> Result
  ) throws -> Result {
    // Without a slash at the end and without "..", so that the sibling lies in the right folder.
    let destination = URL(fileURLWithPath: url.standardizedFileURL.path)
    try checkDestination(destination, replacing)
    let parents = try createParents(of: destination)
    removeLeftovers(of: destination)
    let (temporary, descriptor) = try makeTemporary(besides: destination, parents)
    defer { close(descriptor) }
    do {
      let result = try body(temporary)
      try checkDestination(destination, replacing)  // It may have changed meanwhile.
      try move(temporary, to: destination)
      return result
    } catch {
      try? FileManager.default.removeItem(at: temporary)
      for parent in parents.reversed() { rmdir(parent) }
      throw renamed(error, from: temporary.path, to: destination.path)
    }
  }

  /// Makes an empty temporary folder and holds its lock, by which others know that it is in use.
  private static func makeTemporary(besides destination: URL, _ parents: [String]) throws -> (URL, Int32) {
    while true {
      let temporary = temporarySibling(of: destination)
      guard mkdir(temporary.path, 0o777) == 0 else {
        let reason = errno
        for parent in parents.reversed() { rmdir(parent) }
        throw failure(destination, reason)
      }
      let descriptor = open(temporary.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      let isHeld = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
      // Between the two steps another process may have taken it for a leftover.
      if isHeld, access(temporary.path, F_OK) == 0 { return (temporary, descriptor) }
      close(descriptor)
    }
  }

  /// Removes the temporary folders of this destination that no process holds any more.
  private static func removeLeftovers(of destination: URL) {
    let folder = destination.deletingLastPathComponent()
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    for name in names where isTemporary(name, of: destination) {
      let path = folder.appendingPathComponent(name).path
      let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      if descriptor < 0 { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileManager.default.removeItem(atPath: path) }
      close(descriptor)
    }
  }

  /// An error about a file in the temporary folder, as one about that file in the folder the caller knows.
  private static func renamed(_ error: any Error, from temporary: String, to destination: String) -> any Error {
    func path(_ path: String) -> String {
      path.hasPrefix(temporary) ? destination + path.dropFirst(temporary.count) : path
    }
    return switch error as? CheckpointError {
    case .unwritable(let file, let reason): CheckpointError.unwritable(path: path(file), reason: reason)
    case .invalidPlan(let file, let problem): CheckpointError.invalidPlan(file: path(file), problem: problem)
    default: error
    }
  }

  private static func checkDestination(_ url: URL, _ replacing: Bool) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) else { return }
    guard isDirectory.boolValue else {
      throw CheckpointError.unwritable(path: url.path, reason: "it exists and is not a folder")
    }
    guard !replacing else { return }
    let contents: [String]
    do {
      contents = try FileManager.default.contentsOfDirectory(atPath: url.path)
    } catch {
      throw CheckpointError.unwritable(path: url.path, reason: "its present content cannot be listed")
    }
    guard contents.isEmpty else { throw CheckpointError.alreadyExists(path: url.path) }
  }

  /// - Returns: the folders that were created, outermost first.
  private static func createParents(of url: URL) throws -> [String] {
    var missing: [String] = []
    var parent = url.deletingLastPathComponent()
    while !FileManager.default.fileExists(atPath: parent.path), parent.path != "/" {
      missing.append(parent.path)
      parent = parent.deletingLastPathComponent()
    }
    var created: [String] = []
    for path in missing.reversed() {
      guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
        let reason = errno
        for path in created.reversed() { rmdir(path) }
        throw failure(url, reason)
      }
      created.append(path)
    }
    return created
  }

  private static func move(_ temporary: URL, to destination: URL) throws {
    // Replaces nothing or an empty folder.
    if rename(temporary.path, destination.path) == 0 { return }
    guard errno == ENOTEMPTY || errno == EEXIST else { throw failure(destination, errno) }
    // Both names change hands in one step; the old folder is then the temporary one.
    if exchange(temporary.path, destination.path) {
      try? FileManager.default.removeItem(at: temporary)
      return
    }
    // A file system without exchange: set the old folder aside, and bring it back if the new one cannot take its place.
    let aside = temporarySibling(of: destination)
    guard rename(destination.path, aside.path) == 0 else { throw failure(destination, errno) }
    guard rename(temporary.path, destination.path) == 0 else {
      let reason = errno
      rename(aside.path, destination.path)
      throw failure(destination, reason)
    }
    try? FileManager.default.removeItem(at: aside)
  }

  /// Linux's `renameat2` with `RENAME_EXCHANGE`. Looked up at run time, because the headers that Swift sees declare it
  /// only as an extension.
  private static func exchange(_ first: String, _ second: String) -> Bool {
    typealias Rename = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    guard let symbol = dlsym(nil, "renameat2") else { return false }
    let exchangeFlag: UInt32 = 2
    return unsafeBitCast(symbol, to: Rename.self)(AT_FDCWD, first, AT_FDCWD, second, exchangeFlag) == 0
  }

  private static func failure(_ url: URL, _ code: Int32) -> CheckpointError {
    .unwritable(path: url.path, reason: systemMessage(code))
  }
}
