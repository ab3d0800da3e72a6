import ArgumentParser
import Methods

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
