import ArgumentParser
import Checkpoints
import Foundation

/// Words of a command line that no command and no option is called.
struct UnknownWords {
  /// The options of each command, with their dashes.
  private let options: [String: Set<String>]
  private let defaultCommand: String

  /// - Parameter help: list of all commands, as `--experimental-dump-help` prints it.
  init?(help: JSONValue) {
    guard let root = help["command"], let subcommands = root["subcommands"]?.array else { return nil }
    defaultCommand = root["defaultSubcommand"]?.string ?? ""
    options = Dictionary(
      subcommands.map { ($0["commandName"]?.string ?? "", Self.options(of: $0).union(Self.options(of: root))) },
      uniquingKeysWith: { $0.union($1) })
  }

  private static func options(of command: JSONValue) -> Set<String> {
    let names = (command["arguments"]?.array ?? []).flatMap { $0["names"]?.array ?? [] }
    return Set(
      names.compactMap { name in
        name["name"]?.string.map { (name["kind"]?.string == "long" ? "--" : "-") + $0 }
      })
  }

  /// The first such word, and what may have been meant; `nil` if all words are known.
  ///
  /// - Parameter arguments: words after the program's name.
  func remark(on arguments: [String]) -> String? {
    var words = arguments.prefix { $0 != "--" }
    var command = defaultCommand
    if let first = words.first, !first.hasPrefix("-") {
      guard options[first] != nil || first == "help" else {
        return "Unknown command '\(first)'." + Self.guess(first, Array(options.keys))
      }
      command = first
      words = words.dropFirst()
    }
    guard let known = options[command] else { return nil }
    for word in words where word.hasPrefix("--") {
      let name = String(word.prefix { $0 != "=" })
      // ArgumentParser itself has some more.
      if known.contains(name) || name.hasPrefix("--generate-completion-script") || name.hasPrefix("--experimental") {
        continue
      }
      return "Unknown option '\(name)'." + Self.guess(name, Array(known))
    }
    return nil
  }

  private static func guess(_ word: String, _ names: [String]) -> String {
    SimilarNames.to(word, in: names).first.map { " Did you mean '\($0)'?" } ?? ""
  }
}

extension UnknownWords {
  /// The remark on a command line that was refused, followed by how to use the command.
  ///
  /// - Parameter message: message of the refusal.
  static func message(on arguments: [String], insteadOf message: String) -> String? {
    guard let help = try? JSONValue.parse(NASSearch._dumpHelp(), file: "the help"),
      let words = UnknownWords(help: help),
      let remark = words.remark(on: arguments)
    else { return nil }
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    let usage = lines.firstIndex { $0.hasPrefix("Usage:") }.map { lines[$0...].joined(separator: "\n") }
    let isCommand = remark.hasPrefix("Unknown command")
    return "Error: \(remark)\n" + (isCommand ? "  See 'nas-search --help' for its commands." : usage ?? "")
  }
}
