import ArgumentParser
import Importance
import Pipeline
import Subnets

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
