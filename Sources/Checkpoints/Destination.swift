import Foundation

/// A place that a command is going to write to, checked before the work that fills it.
///
/// Links are followed: the link stays, and its target is written. The caller, which knows the content, decides about
/// replacing; fifos, sockets and devices are never replaced.
public struct Destination {
  /// The kind of output that will lie there.
  public enum Form: Sendable {
    case file
    case folder
  }

  /// A reason in words against replacing the file or folder that is there; `nil` if there is none.
  public typealias Objection = (URL) -> String?

  /// The name in messages.
  public let path: String
  /// The path without links.
  public let url: URL
  public let form: Form
  private let objection: Objection?

  /// - Parameters:
  ///   - url: the place; folders above it may be missing.
  ///   - objection: asked before a file that is not empty, or a folder that holds something, is replaced; without it
  ///     neither is.
  /// - Throws: `CheckpointError.unwritable` for a path at which nothing can lie.
  public init(_ url: URL, _ form: Form, replacing objection: Objection? = nil) throws(CheckpointError) {
    path = url.standardizedFileURL.path
    self.url = URL(fileURLWithPath: try ResolvedPath.of(url.path, called: path))
    self.form = form
    self.objection = objection
  }

  /// Checks that the file or folder that is there now may be replaced.
  ///
  /// - Throws: `CheckpointError.alreadyExists`, `.unwritable` with what is there.
  public func check() throws(CheckpointError) {
    var status = stat()
    guard lstat(url.path, &status) == 0 else {
      if errno == ENOENT { return }
      throw refused(systemMessage(errno))
    }
    let kind = status.st_mode & S_IFMT
    switch (form, kind) {
    case (.file, S_IFREG):
      guard let objection else { throw .alreadyExists(path: path) }
      if status.st_size > 0, let reason = objection(url) { throw refused(reason) }
      try checkCanGo()
    case (.folder, S_IFDIR):
      guard let content = try? FileManager.default.contentsOfDirectory(atPath: url.path) else {
        throw refused("its present content cannot be listed")
      }
      if !content.isEmpty {
        guard let objection else { throw .alreadyExists(path: path) }
        if let reason = objection(url) { throw refused(reason) }
      }
      try checkCanGo()
    case (.file, S_IFDIR): throw refused("it is a folder")
    case (.file, _): throw refused("it is \(Self.name(ofKind: kind)), not a regular file")
    case (.folder, S_IFREG): throw refused("it exists and is not a folder")
    case (.folder, _): throw refused("it is \(Self.name(ofKind: kind)) and not a folder")
    }
  }

  /// Checks that the place can be written: makes a file in the same way as later, and removes it.
  ///
  /// - Throws: as `check`, and `CheckpointError.unwritable` with the system's reason.
  public func rehearse() throws {
    try check()
    let temporary = try TemporaryFolder(besides: self)
    defer { temporary.discard() }
    do {
      // Longest name of a file that comes into a folder.
      try AtomicFile.write("x", to: temporary.content ?? temporary.url.appendingPathComponent(Self.longName))
      // A folder that is replaced must allow the removal of its files.
      if form == .folder, access(url.path, F_OK) == 0 { _ = try FileOutput(replacing: url.appendingPathComponent("x")) }
    } catch CheckpointError.unwritable(_, let reason) {
      throw refused(reason)
    }
  }

  /// Builds the file or folder so that its place holds the old content or the whole new one, never a part.
  ///
  /// Calls `body` with an empty temporary folder beside the place, or with a path at which it writes the file, and
  /// gives the result its name when `body` returns. If anything fails, the place stays as it was and nothing else is
  /// left. Missing folders above it are created.
  /// - Throws: as `check`, and what `body` throws.
  public func build<Result>(_ body: (URL) throws -> Result) throws -> Result {
    try check()
    let temporary = try TemporaryFolder(besides: self)
    do {
      let result = try body(temporary.content ?? temporary.url)
      try check()  // It may have changed meanwhile.
      try temporary.settle()
      return result
    } catch {
      temporary.discard()
      throw temporary.renamed(error)
    }
  }

  private static let longName = String(repeating: "x", count: 64)

  /// Checks that files can be made in a folder, and the folder itself if it is missing.
  ///
  /// - Throws: `CheckpointError.unwritable` with the folder's path.
  public static func rehearseFolder(_ folder: URL) throws {
    do {
      try Destination(folder.appendingPathComponent("x.\(getpid())"), .file).rehearse()
    } catch CheckpointError.unwritable(_, let reason) {
      throw CheckpointError.unwritable(path: folder.path, reason: reason)
    }
  }

  /// Checks that an input stays: it must not be the destination, lie in it, or hold it.
  ///
  /// - Throws: `CheckpointError.unwritable`, `.alreadyExists` naming the input.
  public func keepClear(of input: URL) throws(CheckpointError) {
    guard let real = ResolvedPath.existing(input.path) else { return }
    if real == url.path || Self.same(real, url.path) {
      throw refused("it is the input \(input.relativePath) itself, which is never replaced")
    }
    if url.path.hasPrefix(real + "/") { throw refused("it lies inside the input \(input.relativePath)") }
    if real.hasPrefix(url.path + "/") { throw refused("the input \(input.relativePath) lies inside it") }
  }

  /// Checks that the folder of the destination is not an input.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func keepApart(from input: URL) throws(CheckpointError) {
    guard let real = ResolvedPath.existing(input.path) else { return }
    let folder = url.deletingLastPathComponent().path
    guard real == folder || Self.same(real, folder) else { return }
    throw .unwritable(
      path: (path as NSString).deletingLastPathComponent, reason: "it is the input \(input.relativePath)")
  }

  /// Checks that two outputs differ: not the same place, and none inside the other.
  ///
  /// - Throws: `CheckpointError.unwritable`.
  public func keepClear(of other: Destination) throws(CheckpointError) {
    if url.path == other.url.path { throw refused("it is the same place as the other output \(other.path)") }
    if url.path.hasPrefix(other.url.path + "/") { throw refused("it lies inside the other output \(other.path)") }
    if other.url.path.hasPrefix(url.path + "/") { throw refused("the other output \(other.path) lies inside it") }
  }

  // MARK: - What is there

  /// A name in words for something that is neither a file nor a folder.
  private static func name(ofKind kind: mode_t) -> String {
    switch kind {
    case S_IFIFO: "a fifo (named pipe)"
    case S_IFSOCK: "a socket"
    case S_IFBLK, S_IFCHR: "a device"
    default: "something else"
    }
  }

  /// Two names of one file.
  private static func same(_ a: String, _ b: String) -> Bool {
    var (first, second) = (stat(), stat())
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev
      && first.st_ino == second.st_ino
  }

  /// Nothing can be renamed to the root of a file system, and a replaced folder vanishes for every process that works
  /// in it.
  private func checkCanGo() throws(CheckpointError) {
    if ResolvedPath.isMountPoint(url.path) {
      throw refused("it is a mount point, which cannot be replaced; take a name inside it")
    }
    if ResolvedPath.existing(".") == url.path {
      throw refused("it is the folder that the command runs in; take a name inside it")
    }
  }

  private func refused(_ reason: String) -> CheckpointError { .unwritable(path: path, reason: reason) }
}
