import Foundation
import Testing

extension EndToEnd {
  /// The words of the command line, in `Help`. `UPDATE_HELP=1 swift test …` writes them anew.
  @Suite(.serialized) struct Help {
    @Test(arguments: [
      "nas-search", "search", "report", "export", "evaluate", "generate", "serve", "spaces", "describe",
      "scores", "prune", "compare", "methods", "solve", "repair", "benchmark", "worker", "synthesize", "convert",
    ])
    func help(_ command: String) throws {
      let workspace = try Workspace()
      let arguments = command == "nas-search" ? ["--help"] : [command, "--help"]
      let result = try workspace.run(arguments).expectSuccess()
      #expect(result.errors.isEmpty)
      let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Help/\(command).txt")
      if ProcessInfo.processInfo.environment["UPDATE_HELP"] != nil {
        try Data(result.output.utf8).write(to: file)
      }
      #expect(result.output == (try String(contentsOf: file, encoding: .utf8)))
    }

    @Test func withoutArguments() throws {
      let workspace = try Workspace()
      let result = try workspace.run()
      #expect(result.code == 64)
      #expect(result.errors.hasPrefix("Error: Missing expected argument '--model <model>'"))
      #expect(result.errors.contains("SUBCOMMANDS:"))
      #expect(try workspace.run("--version").expectSuccess().output == "0.1.0\n")
    }
  }
}
