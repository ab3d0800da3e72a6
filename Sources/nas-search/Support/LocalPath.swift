import ArgumentParser
import Foundation

/// A path of this machine, as options of files and folders take it.
///
/// To the system `https://host/file` is a path, too: it would be looked for, or even made, in the working folder.
enum LocalPath {
  @Sendable static func checked(_ argument: String) throws -> String {
    guard let mark = argument.range(of: "://"), argument.first?.isLetter ?? false,
      argument[..<mark.lowerBound].allSatisfy({ $0.isLetter || $0.isNumber || "+.-".contains($0) })
    else { return argument }
    throw ValidationError(
      argument.hasPrefix("file://")
        ? "give the path without 'file://'"
        : "only local files and folders are read and written; download it first, and give its path")
  }

  /// The name of a model's folder or file, for the folders of its studies.
  static func name(ofModel path: String) -> String {
    let url = URL(fileURLWithPath: path)
    return (url.pathExtension == "gguf" ? url.deletingPathExtension() : url).lastPathComponent
  }
}
