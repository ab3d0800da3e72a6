/// What is wrong with tasks and their files, in words that say what and where.
public enum TaskError: Error, Equatable, CustomStringConvertible {
  case unknownTask(String, similar: [String], known: [String])
  /// No file of the names that were looked for.
  case missingFile(task: String, folder: String, names: [String])
  /// A task without items to choose by.
  case noDevelopment(task: String, known: [String])
  /// An item, or a line of a file, that cannot be used.
  case unusable(_ place: String, _ problem: String)

  public var description: String {
    switch self {
    case .unknownTask(let name, let similar, let known):
      "there is no task '\(name)'"
        + (similar.isEmpty ? "" : "; did you mean \(similar.map { "'\($0)'" }.joined(separator: " or "))?")
        + " (tasks: \(known.joined(separator: ", ")))"
    case .missingFile(let task, let folder, let names):
      "\(folder): no file of the task '\(task)' here; looked for \(names.joined(separator: ", "))"
    case .noDevelopment(let task, let known):
      "the task '\(task)' has no development file whose choices can be scored; tasks that have one: "
        + known.joined(separator: ", ")
    case .unusable(let place, let problem): "\(place): \(problem)"
    }
  }
}
