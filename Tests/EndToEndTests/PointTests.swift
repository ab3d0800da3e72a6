import Foundation
import Testing

extension EndToEnd {
  /// A point of a study as a model that is not written.
  @Suite(.serialized) struct PointTests {
    private let workspace: Workspace

    init() throws {
      workspace = try Workspace("llama3-gqa")
      let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      try workspace.copy(tests.appendingPathComponent("TasksTests/Fixtures/authors"), to: "data")
    }

    private let measured = [
      "--text", "text/lighthouse.txt", "--window-length", "32", "--dense", "model", "--tasks", "piqa", "--task-data",
      "data", "--generate", "1", "--generate-tokens", "4", "--json",
    ]

    private func evaluate(_ source: String...) throws -> [String: Any] {
      let before = try workspace.snapshot()
      let output = try workspace.run(["evaluate"] + source + measured).expectSuccess().output
      #expect(try workspace.snapshot() == before)
      return try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }

    private func perplexity(_ document: [String: Any]) throws -> Double {
      let texts = try #require(document["measurements"] as? [[String: Any]])
      return try #require(texts.first?["perplexity"] as? Double)
    }

    /// What is measured of a point is what its export has, whichever repair it carries.
    @Test(arguments: ["sequential", "nested", "none"]) func aPointIsWhatItsExportIs(_ repair: String) throws {
      try workspace.run(Workspace.search()).expectSuccess()
      let export = ["export", "results/study", "--format", "hf", "--output", "out", "--dtype", "f32"]
      try workspace.run(export + ["--repair", repair]).expectSuccess()
      let point = try evaluate("--study", "results/study", "--point", "best", "--repair", repair)
      let (exported, dense) = (try evaluate("--model", "out"), try evaluate("--model", "model"))
      let value = try perplexity(point)
      #expect(try abs(value / perplexity(exported) - 1) < 1e-5)
      #expect(try abs(value / perplexity(dense) - 1) > 1e-3)
      let tasks = [point, exported].map { NSArray(array: ($0["means"] as? [Any] ?? []) + metrics($0)) }
      #expect(tasks[0] == tasks[1] && tasks[0].count == 2)
      let (model, other) = (point["model"] as? [String: Any], exported["model"] as? [String: Any])
      #expect(model?["path"] is NSNull && model?["study"] as? String == "study" && model?["point"] is Int)
      #expect(other?["path"] as? String == "out" && other?["study"] == nil)
      #expect(model?["block_parameters"] as? Int == other?["block_parameters"] as? Int)
    }

    /// Accuracies, which the last bits of log-likelihoods do not change.
    private func metrics(_ document: [String: Any]) -> [Any] {
      let tasks = document["tasks"] as? [[String: Any]] ?? []
      return tasks.flatMap { $0["metrics"] as? [[String: Any]] ?? [] }.compactMap { $0["value"] }
    }

    @Test func whatIsWrongIsSaid() throws {
      try workspace.run(Workspace.search()).expectSuccess()
      let text = ["--text", "text/lighthouse.txt", "--window-length", "32"]
      try workspace.expectFailure(["evaluate"] + text, "--model or --study", code: 64)
      for option in [["--point", "best"], ["--repair", "nested"], ["--cache", "c"]] {
        try workspace.expectFailure(
          ["evaluate", "--model", "model"] + option + text, option[0], "goes with --study", code: 64)
      }
      try workspace.expectFailure(["evaluate", "--study", "nowhere"] + text, "no study")
      try workspace.expectFailure(
        ["evaluate", "--model", "results/study"] + text, "results/study is a study: name it by --study", code: 64)
      let study = ["evaluate", "--study", "results/study"]
      try workspace.expectFailure(study + ["--point", "99"] + text, "no point '99'")
      // Texts are looked at before the point gets its weights.
      try workspace.expectFailure(study + ["--text", "nowhere.txt"], "nowhere.txt")
      try workspace.remove("model")
      try workspace.expectFailure(study + text, "--model says where it is now")
      try workspace.run(study + ["--model", "llama3-gqa"] + text).expectSuccess()
    }

    /// A text that the study was calibrated on flatters the point, too.
    @Test func calibratedTextsAreNamed() throws {
      let search = Workspace.search("--calibration", "text/lighthouse.txt")
      try workspace.run(search).expectSuccess()
      let text = ["--text", "text/lighthouse.txt", "--window-length", "32", "--windows", "1"]
      let outcome = try workspace.run(["evaluate", "--study", "results/study"] + text).expectSuccess()
      #expect(outcome.errors.contains("calibrated on"), "\(outcome)")
    }
  }
}
