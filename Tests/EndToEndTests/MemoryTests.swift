import Foundation
import Testing

extension EndToEnd {
  /// Under a limit that nothing fits into, layers are widened and inherited anew or kept on disk: the results are the same.
  @Suite(.serialized) struct Memory {
    private static let limit = ["--memory-limit", "16KiB"]

    /// One folder each, so that neither finds the statistics of the other.
    private func workspaces() throws -> (roomy: Workspace, cramped: Workspace) {
      (try Workspace("llama3-gqa"), try Workspace("llama3-gqa"))
    }

    @Test func solvedSubnetsAreTheSame() throws {
      let (roomy, cramped) = try workspaces()
      let solve =
        ["solve", "--model", "model", "--keep", "0.7", "--measure", "--dtype", "f32", "--output", "out.gguf"]
        + ["--calibration", "text/lighthouse.txt", "--calibration-windows", "8", "--calibration-length", "32"]
        + ["--fitness-windows", "4", "--fitness-length", "16"]
      let outcome = try roomy.run(solve).expectSuccess()
      #expect(outcome.errors.contains("estimate: ") && outcome.errors.contains("took: "))
      #expect(outcome.errors.contains("error curves") && outcome.errors.contains("statistics"))
      try cramped.run(solve + Self.limit).expectSuccess()
      #expect(try roomy.data("out.gguf") == cramped.data("out.gguf"))
    }

    @Test(arguments: ["sequential", "nested", "none"])
    func searchedSubnetsAreTheSame(repair: String) throws {
      let (roomy, cramped) = try workspaces()
      for (workspace, limit) in [(roomy, []), (cramped, Self.limit)] {
        try workspace.run(Workspace.search("--keep", "0.7") + limit).expectSuccess()
        let export = ["export", "results/study", "--point", "best", "--dtype", "f32", "--repair", repair]
        try workspace.run(export + ["--format", "gguf", "--output", "out.gguf"] + limit).expectSuccess()
      }
      #expect(try roomy.data("results/study/front.csv") == cramped.data("results/study/front.csv"))
      #expect(try roomy.data("out.gguf") == cramped.data("out.gguf"))
      // The report says what the search took.
      try roomy.run("report", "results/study", "--html").expectSuccess()
      let page = String(decoding: try roomy.data("results/study/report.html"), as: UTF8.self)
      #expect(page.contains("The preparation took: ") && page.contains("iB of memory at most"))
    }

    @Test(arguments: ["prune", "repair"])
    func methodsGiveTheSame(command: String) throws {
      let (roomy, cramped) = try workspaces()
      let text = [
        "--calibration", "text/lighthouse.txt", "--calibration-windows", "8", "--calibration-length", "32",
        "--fitness-windows", "4", "--fitness-length", "16", "--dtype", "f32",
      ]
      for (workspace, limit) in [(roomy, []), (cramped, Self.limit)] {
        try workspace.run(
          ["prune", "--model", "model", "--method", "flap", "--keep", "0.7", "--output", "pruned"] + text + limit
        ).expectSuccess()
        if command == "repair" {
          try workspace.run(
            ["repair", "--dense", "model", "--model", "pruned", "--output", "repaired"] + text + limit
          ).expectSuccess()
        }
      }
      let file = (command == "repair" ? "repaired" : "pruned") + "/model.safetensors"
      #expect(try roomy.data(file) == cramped.data(file))
    }

    @Test func aLimitOfNothingIsNone() throws {
      let workspace = try Workspace("llama3-gqa")
      let outcome = try workspace.run(
        "evaluate", "--model", "model", "--text", "text/notes.jsonl", "--memory-limit", "0")
      #expect(outcome.code != 0 && outcome.errors.contains("--memory-limit"))
    }
  }
}
