/// What was called otherwise in earlier versions, and its name now.
enum OldNames {
  struct Row: Sendable {
    let command: String
    /// An option, an option with a value, or a setting of a method (`repair=ls`; `metric=` with any value).
    let old: String
    let new: String
  }

  static let all = [
    Row(command: "search", old: "--curves", new: "--curve-metric"),
    Row(command: "search", old: "--repair ls", new: "--repair nested"),
    Row(command: "worker", old: "--study", new: "an argument without a name: worker STUDY"),
    Row(command: "export", old: "--repair ls", new: "--repair sequential"),
    Row(command: "solve", old: "--metric", new: "--curve-metric"),
    Row(command: "prune", old: "repair=ls", new: "repair=nested"),
    Row(command: "prune", old: "start=ls", new: "start=nested"),
    Row(command: "prune", old: "metric=", new: "curve-metric="),
    Row(command: "compare", old: "--window", new: "--window-length"),
    Row(command: "compare", old: "--limit", new: "--windows"),
    Row(command: "compare", old: "repair=ls", new: "repair=nested"),
    Row(command: "compare", old: "start=ls", new: "start=nested"),
    Row(command: "compare", old: "metric=", new: "curve-metric="),
    Row(command: "repair", old: "--subnet", new: "--model"),
    Row(command: "evaluate", old: "--against", new: "--dense"),
    Row(command: "evaluate", old: "--limit", new: "--windows"),
    Row(command: "evaluate", old: "--window", new: "--window-length"),
  ]

  /// The new name of something in a command line that was refused; `nil` if all names in it are new.
  ///
  /// - Parameter arguments: the words after the program's name.
  static func remark(on arguments: [String]) -> String? {
    let command = arguments.first.flatMap { $0.hasPrefix("-") ? nil : $0 } ?? "search"
    return all.first { $0.command == command && $0.occurs(in: arguments) }.map { "\($0.old) is now \($0.new)" }
  }
}

extension OldNames.Row {
  func occurs(in arguments: [String]) -> Bool {
    if !old.hasPrefix("--") {
      // A setting may stand behind the name of its method: ours.metric=loss, ours-fast:metric=loss.
      let settings = arguments.flatMap { $0.split { ".:,".contains($0) } }
      return settings.contains { old.hasSuffix("=") ? $0.hasPrefix(old) : $0 == old }
    }
    let words = old.split(separator: " ").map(String.init)
    if words.count == 1 { return arguments.contains { $0 == old || $0.hasPrefix(old + "=") } }
    return arguments.contains(words.joined(separator: "="))
      || zip(arguments, arguments.dropFirst()).contains { $0 == words[0] && $1 == words[1] }
  }
}
