import ArgumentParser
import Importance
import Pipeline
import Subnets

struct SpacesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "spaces", abstract: "List the search spaces.")

  func run() throws {
    for file in SpaceLibrary.all() {
      let space = try SearchSpace(file)
      try Console.print("\(space.name)\t\(space.summary)")
    }
  }
}

struct ScoresCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "scores", abstract: "List the importance scores.")

  func run() throws {
    for score in ImportanceRegistry.all { try Console.print("\(score.name)\t\(score.summary) [\(score.source)]") }
  }
}
