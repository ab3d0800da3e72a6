import ArgumentParser
import Importance
import Methods
import Pipeline
import Subnets

struct MethodsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "methods", abstract: "List the pruning methods: paper, needs and settings.")

  func run() throws {
    for method in MethodRegistry.all {
      let needs = method.gradients.isEmpty ? "forward passes only" : "gradients"
      try Console.print("\(method.name)\t\(method.summary) [\(method.source)] needs \(needs)")
      for setting in method.settings {
        try Console.print("  \(setting.name)=\(setting.initial)\t\(setting.meaning); \(setting.expected)")
      }
    }
  }
}

struct SpacesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spaces", abstract: "List the search spaces, or print one.")

  @Argument(help: "Name of a space to print, to be saved and changed.") var name: String?

  func run() throws {
    if let name { return try Console.print(SpaceLibrary.text(name)) }
    for (name, yaml) in SearchSpace.shipped {
      try Console.print("\(name)\t\(SearchSpace(yaml: yaml, file: name).summary)")
    }
  }
}

struct ScoresCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "scores", abstract: "List the importance scores.")

  func run() throws {
    for score in ImportanceRegistry.all { try Console.print("\(score.name)\t\(score.summary) [\(score.source)]") }
  }
}
