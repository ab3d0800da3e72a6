import Foundation
import Importance
import Subnets

/// The search spaces that ship with the tool, found by name.
public enum SpaceLibrary {
  /// Folders that are looked through, first found first: `search-spaces` in the working folder, and beside or above the
  /// executable.
  static var folders: [URL] {
    let name = "search-spaces"
    var folders = [URL(fileURLWithPath: FileManager.default.currentDirectoryPath).appendingPathComponent(name)]
    var place = URL(fileURLWithPath: CommandLine.arguments.first ?? "").resolvingSymlinksInPath()
    if let executable = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      place = URL(fileURLWithPath: executable)
    }
    for _ in 0..<6 {
      place = place.deletingLastPathComponent()
      folders.append(place.appendingPathComponent(name))
    }
    return folders.filter { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// All spaces by file name, first found first.
  public static func all() -> [URL] {
    var seen = Set<String>()
    return folders.flatMap { folder in
      let files =
        (try? FileManager.default.contentsOfDirectory(
          at: folder.resolvingSymlinksInPath(), includingPropertiesForKeys: nil)) ?? []
      return files.filter { $0.pathExtension == "yaml" }.sorted { $0.path < $1.path }
    }.filter { seen.insert($0.lastPathComponent).inserted }
  }

  /// The file of a space: a path to a `.yaml` file, or the name of one of `all()`.
  public static func file(_ nameOrPath: String) throws -> URL {
    if nameOrPath.hasSuffix(".yaml") || nameOrPath.hasSuffix(".yml") { return URL(fileURLWithPath: nameOrPath) }
    let known = all()
    guard let found = known.first(where: { $0.deletingPathExtension().lastPathComponent == nameOrPath }) else {
      throw SearchSpaceError.notFound(
        name: nameOrPath, known: known.map { $0.deletingPathExtension().lastPathComponent })
    }
    return found
  }

  /// Name and text of a space, checked.
  public static func load(_ nameOrPath: String) throws -> (space: SearchSpace, text: String) {
    let url = try file(nameOrPath)
    guard let data = try? Data(contentsOf: url), let text = String(validating: data, as: UTF8.self) else {
      throw SearchSpaceError.unreadable(file: url.path)
    }
    return (try parse(text, file: url.path), text)
  }

  /// The space that a text describes, with names of scores that exist.
  ///
  /// - Parameter file: the name that errors carry.
  static func parse(_ text: String, file: String) throws -> SearchSpace {
    let space = try SearchSpace(yaml: text, file: file)
    for score in space.allScores {
      do {
        _ = try ImportanceRegistry.named(score)
      } catch {
        throw SearchSpaceError.invalidYAML(file: file, problem: "\(error)")
      }
    }
    return space
  }
}
