import Foundation

/// Builds a folder so that its place holds the old folder or the whole new one, never a part.
public enum AtomicDirectory {
  /// Builds at a path; see `build(at:_:)` for a destination.
  ///
  /// - Parameters:
  ///   - url: the destination. Missing folders above it are created.
  ///   - replacing: whether an existing folder that is not empty may be replaced, with all it holds.
  public static func build<Result>(
    at url: URL, replacing: Bool = false, _ body: (URL) throws -> Result
  ) throws -> Result {
    try build(at: Destination(url, .folder, replacing: replacing ? { _ in nil } : nil), body)
  }

  /// Calls `body` with an empty temporary folder beside the destination, and gives that folder the destination's name
  /// when `body` returns. If anything fails, the temporary folder is removed and the destination stays as it was.
  ///
  /// If the destination is a file, `body` gets a path at which it writes that file.
  /// - Throws: `CheckpointError.alreadyExists`, `.unwritable`, and what `body` throws.
  public static func build<Result>(at destination: Destination, _ body: (URL) throws -> Result) throws -> Result {
    try destination.check()
    let temporary = try TemporaryFolder(besides: destination)
    do {
      let result = try body(temporary.content ?? temporary.url)
      try destination.check()  // It may have changed meanwhile.
      try temporary.settle()
      return result
    } catch {
      temporary.discard()
      throw temporary.renamed(error)
    }
  }
}
