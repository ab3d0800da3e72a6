import Foundation
import Testing

extension EndToEnd {
  /// Tasks in searches and comparisons, on items that were made up.
  @Suite(.serialized) struct TaskObjectiveTests {
    private let workspace: Workspace

    init() throws {
      workspace = try Workspace("llama3-gqa")
      let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      try workspace.copy(tests.appendingPathComponent("TasksTests/Fixtures/authors"), to: "data")
    }

    private let task = ["--objectives", "piqa,params", "--task-data", "data"]

    @Test func aTaskIsAnObjective() throws {
      let search = Workspace.search(budget: "8") + task + ["--task-items", "10"]
      try workspace.run(search).expectSuccess()
      let report = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let objectives = (report["study"] as? [String: Any])?["objectives"] as? [[String: Any]]
      #expect(objectives?.compactMap { $0["name"] as? String } == ["piqa", "params"])
      let (dense, front) = (report["dense"] as? [String: Any], report["front"] as? [[String: Any]] ?? [])
      #expect(dense?["piqa"] as? Double == 0 && dense?["piqa_stderr"] is NSNull)
      let accuracy = try #require(dense?["piqa_acc_norm"] as? Double)
      #expect(abs(accuracy * 10 - (accuracy * 10).rounded()) < 1e-9)
      for point in front {
        let values = ["piqa", "piqa_stderr", "piqa_acc_norm", "piqa_acc_norm_stderr", "kl"].map { point[$0] as? Double }
        #expect(values.allSatisfy { $0?.isFinite ?? false } && (values[1] ?? 0) > 0, "\(values)")
      }
      #expect(!front.isEmpty)
      let table = try workspace.run("report", "results/study").expectSuccess().output
      #expect(table.contains("piqa loss") && table.contains(" ± "))
      // The command that a report prints gives the same study.
      try workspace.run("report", "results/study", "--html").expectSuccess()
      let csv = try workspace.text("results/study/front.csv").split(separator: "\n")[0]
      #expect(csv.contains(",piqa,piqa_stderr,") && csv.contains(",piqa_acc_norm,piqa_acc_norm_stderr,"))
      let command = try #require((report["study"] as? [String: Any])?["command"] as? String)
      #expect(command.contains("--objectives piqa,params --task-data data --task-items 10"))
      try workspace.expectFailure(
        Workspace.search(budget: "8") + task, "other settings", "task items was 10, now not given")
      try workspace.write("0\n", to: "data/piqa/train-labels.lst")
      try workspace.expectFailure(search, "train-labels.lst", "1 labels for 12 items")
    }

    @Test func whatIsWrongIsSaid() throws {
      func search(_ more: String...) -> [String] { Workspace.search() + more }
      try workspace.expectFailure(search("--objectives", "piqa,params"), "piqa needs --task-data", code: 64)
      try workspace.expectFailure(search("--task-data", "data"), "--task-data is for objectives", code: 64)
      try workspace.expectFailure(search("--task-items", "9"), "--task-items goes with --task-data", code: 64)
      try workspace.expectFailure(
        search("--objectives", "kl,hellaswag", "--task-data", "data"), "hellaswag_train.jsonl, hellaswag/train.jsonl")
      try workspace.expectFailure(
        search("--objectives", "kl,gsm8k", "--task-data", "data"), "'gsm8k' has no development file", code: 64)
    }

    /// A cell has what `evaluate` finds of the same subnet beside the dense model.
    @Test func comparisonsAskTasks() throws {
      let shared = ["--calibration", "text/notes.jsonl", "--calibration-windows", "8", "--calibration-length", "64"]
      let fitness = ["--fitness-windows", "4", "--fitness-length", "32"]
      let tasks = ["--tasks", "piqa,lambada_openai", "--task-data", "data"]
      let compare =
        ["compare", "--model", "model", "--methods", "magnitude", "--keep", "0.6", "--text", "text/lighthouse.txt"]
        + ["--window-length", "32", "--windows", "2", "--output", "results/compare"] + shared + fitness
      let found = try workspace.run(compare + tasks + ["--json"]).expectSuccess().json()
      let asked = try #require(found["tasks"] as? [[String: Any]])
      #expect(asked.compactMap { $0["metric"] as? String } == ["acc", "acc_norm", "perplexity", "acc"])
      #expect(asked.allSatisfy { $0["items"] as? Int == 3 && $0["dense"] is Double })
      let cells = try #require(found["cells"] as? [[String: Any]])
      let cell = try #require(cells.first { $0["method"] as? String == "magnitude" }?["tasks"] as? [[String: Any]])
      let prune = ["prune", "--model", "model", "--method", "magnitude", "--keep", "0.6", "--output", "out"]
      try workspace.run(prune + ["--dtype", "f32"] + shared + fitness).expectSuccess()
      let evaluate = ["evaluate", "--model", "out", "--dense", "model", "--json"] + tasks
      let expected = try #require(workspace.run(evaluate).expectSuccess().json()["tasks"] as? [[String: Any]])
      let metrics = expected.flatMap { $0["metrics"] as? [[String: Any]] ?? [] }
      #expect(cell.count == metrics.count && cell.count == 4)
      for (own, other) in zip(cell, metrics) {
        #expect(own["metric"] as? String == other["metric"] as? String)
        for key in ["value", "stderr", "difference", "difference_stderr"] {
          let (value, expected) = (own[key] as? Double ?? .nan, other[key] as? Double ?? .nan)
          #expect(abs(value - expected) <= 1e-4 * max(1, abs(expected)), "\(key)")
        }
      }
      let table = try workspace.run(compare + tasks).expectSuccess().output
      #expect(table.contains("piqa acc_norm in % on 3 items") && !table.contains("piqa acc in %"))
      let csv = try workspace.text("results/compare/comparison.csv").split(separator: "\n")[0]
      #expect(csv.hasSuffix("lambada_openai_acc_difference,lambada_openai_acc_difference_stderr"))
      try workspace.expectFailure(compare, "its tasks, their files")
      try workspace.write("0\n1\n1\n", to: "data/piqa/valid-labels.lst")
      try workspace.expectFailure(compare + tasks, "its tasks, their files")
      try workspace.expectFailure(compare + ["--task-data", "data"], "--task-data is for --tasks", code: 64)
    }
  }
}
