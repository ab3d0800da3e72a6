import Foundation

/// The target of a path: no links, no `.` and `..`, no slash at the end.
enum ResolvedPath {
  /// The real path of an existing file or folder, or of the folder above it followed by the missing names.
  ///
  /// - Throws: `CheckpointError.unwritable` for a path at which nothing can be made: it goes through a file or a link
  ///   to nothing, in circles, or is too long.
  static func of(_ path: String, called name: String) throws(CheckpointError) -> String {
    func refused(_ reason: String) -> CheckpointError { .unwritable(path: name, reason: reason) }
    var head = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    var missing: [String] = []
    while true {
      if let real = existing(head) {
        return missing.isEmpty ? real : (real == "/" ? "" : real) + "/" + missing.joined(separator: "/")
      }
      let code = errno
      if code != ENOENT { throw refused(systemMessage(code)) }
      if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: head) {
        throw refused(
          missing.isEmpty
            ? "it is a link to \(target), where nothing is" : "\(head) is a link to \(target), where nothing is")
      }
      let last = (head as NSString).lastPathComponent
      // `..` of a missing folder leads nowhere.
      if last == ".." || head == "/" { throw refused(systemMessage(code)) }
      if last != "." { missing.insert(last, at: 0) }
      head = (head as NSString).deletingLastPathComponent
    }
  }

  /// The real path of something that exists; `nil` and `errno` for anything else.
  static func existing(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  /// Whether a file system, or a part of one, is mounted at a real path. Such a place can be filled, but nothing can be
  /// renamed to it.
  ///
  /// Source: `proc_pid_mountinfo(5)`, whose fifth field is the place, with `\040` for a space.
  static func isMountPoint(_ path: String) -> Bool {
    guard let table = try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8) else { return false }
    let escaped = [("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")]
      .reduce(path) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    return table.split(separator: "\n").contains { line in
      let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: false)
      return fields.count > 4 && fields[4] == escaped
    }
  }
}
