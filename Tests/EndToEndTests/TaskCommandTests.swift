import Foundation
import Testing

extension EndToEnd {
  /// `evaluate --tasks` and `--requests` on items that were made up.
  @Suite(.serialized) struct TaskCommands {
    private let workspace: Workspace

    init() throws {
      workspace = try Workspace("llama3-gqa")
      let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      try workspace.copy(tests.appendingPathComponent("TasksTests/Fixtures/authors"), to: "data")
    }

    private func evaluate(_ more: String...) -> [String] { ["evaluate", "--model", "model"] + more }

    private func document(_ command: [String]) throws -> [String: Any] {
      let output = try workspace.run(command).expectSuccess().output
      return try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }

    @Test func tasksAsJSON() throws {
      let names = "boolq,piqa,hellaswag,winogrande,arc_easy,arc_challenge,openbookqa"
      let found = try document(evaluate("--tasks", names, "--task-data", "data", "--json"))
      let tasks = try #require(found["tasks"] as? [[String: Any]])
      #expect(tasks.compactMap { $0["task"] as? String } == names.components(separatedBy: ","))
      #expect(tasks.allSatisfy { $0["items"] as? Int == 3 })
      let metrics = tasks.map { ($0["metrics"] as? [[String: Any]] ?? []).compactMap { $0["metric"] as? String } }
      let both = ["acc", "acc_norm"]
      #expect(metrics == [["acc"], both, both, ["acc"], both, both, both])
      let means = try #require(found["means"] as? [[String: Any]])
      #expect(means.map { ($0["of"] as? [Any])?.count } == [7, 7])
      #expect(found["measurements"] == nil)
    }

    @Test func textsAndTasksTogether() throws {
      let found = try document(
        evaluate(
          "--text", "text/lighthouse.txt", "--window-length", "16", "--tasks", "piqa", "--task-data", "data", "--items",
          "2", "--json"))
      #expect((found["measurements"] as? [Any])?.count == 1)
      #expect((found["tasks"] as? [[String: Any]])?.map { $0["items"] as? Int } == [2])
    }

    /// Beside itself a model has no differences, and their error is nothing.
    @Test func besideItselfAsATable() throws {
      let command = evaluate("--dense", "model", "--tasks", "piqa,lambada_openai", "--task-data", "data", "--csv")
      let lines = try workspace.run(command).expectSuccess().output.split(separator: "\n").map {
        $0.components(separatedBy: ",")
      }
      #expect(lines[0] == ["task", "items", "metric", "value", "stderr", "dense", "difference", "difference_stderr"])
      #expect(lines.map { $0[0] } == ["task", "piqa", "piqa", "lambada_openai", "lambada_openai", "mean", "mean"])
      for line in lines.dropFirst() {
        #expect(line[3] == line[5] && Double(line[6]) == 0 && Double(line[7]) == 0)
      }
      let table = try workspace.run(evaluate("--tasks", "piqa,arc_easy", "--task-data", "data")).expectSuccess().output
      #expect(table.hasPrefix("task        items  metric"))
      #expect(table.contains("mean of piqa acc_norm, arc_easy acc_norm"))
    }

    @Test func requestsAndTheirAnswers() throws {
      try workspace.write(
        """
        {"context": "The lamp was", "continuations": [" lit", " out", " lit"], "target": 0}
        {"context": "The keeper", "until": ["."], "max_tokens": 5}
        """, to: "requests.jsonl")
      let command = evaluate("--requests", "requests.jsonl", "--answers", "answers.jsonl")
      try workspace.run(command).expectSuccess()
      let answers = try workspace.text("answers.jsonl").split(separator: "\n").map {
        try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
      #expect(answers.map { $0["item"] as? Int } == [0, 1])
      #expect(answers.allSatisfy { $0["task"] as? String == "requests.jsonl" })
      let sums = try #require(answers[0]["log_likelihoods"] as? [Double])
      #expect(sums.count == 3 && sums[0] == sums[2] && sums.allSatisfy { $0 < 0 })
      #expect(answers[1]["text"] is String)
      try workspace.expectFailure(command, "answers.jsonl")
    }

    /// Beside itself a model writes the same; what it repeats is counted.
    @Test func continuationsSideBySide() throws {
      let command = evaluate(
        "--dense", "model", "--text", "text/lighthouse.txt", "--window-length", "32", "--windows", "1", "--generate",
        "3",
        "--generate-tokens", "40")
      let found = try #require(document(command + ["--json"])["continuations"] as? [String: Any])
      let pieces = try #require(found["pieces"] as? [[String: Any]])
      #expect(pieces.count == 3 && Set(pieces.compactMap { $0["prompt"] as? String }).count == 3)
      var rates: [Double] = []
      for piece in pieces {
        let (own, dense) = (piece["model"] as? [String: Any], piece["dense"] as? [String: Any])
        #expect(own?["text"] as? String != "" && own?["text"] as? String == dense?["text"] as? String)
        if let rate = own?["repetition"] as? Double { rates.append(rate) }
        #expect(own?["repetition"] as? Double == dense?["repetition"] as? Double)
      }
      // A model of random weights says the same again and again.
      let mean = try #require(found["repetition"] as? Double)
      #expect(abs(mean - rates.reduce(0, +) / Double(rates.count)) < 1e-12 && mean > 0 && mean < 1)
      let lines = try workspace.run(command).expectSuccess().output.split(separator: "\n")
      for name in ["model", "dense"] { #expect(lines.filter { $0.hasPrefix("  \(name), ") }.count == 3) }
      #expect(lines.contains { $0.hasPrefix("mean repetition rate: model ") })
      try workspace.expectFailure(
        evaluate("--tasks", "piqa", "--task-data", "data", "--generate", "2"), "--text", code: 64)
      try workspace.expectFailure(
        evaluate("--text", "text/lighthouse.txt", "--generate", "2", "--generate-tokens", "9999"), "context")
    }

    @Test func whatIsWrongIsSaid() throws {
      try workspace.expectFailure(evaluate(), "--text or --tasks", code: 64)
      try workspace.expectFailure(evaluate("--tasks", "piqa"), "--task-data", code: 64)
      try workspace.expectFailure(
        evaluate("--tasks", "pica", "--task-data", "data"), "no task 'pica'", "did you mean 'piqa'", "hellaswag",
        code: 64)
      try workspace.expectFailure(evaluate("--tasks", "piqa,piqa", "--task-data", "data"), "twice", code: 64)
      try workspace.expectFailure(evaluate("--text", "text/lighthouse.txt", "--items", "3"), "--items", code: 64)
      try workspace.expectFailure(evaluate("--text", "text/lighthouse.txt", "--csv"), "--csv", code: 64)
      try workspace.expectFailure(
        evaluate("--tasks", "piqa", "--task-data", "text"), "piqa/valid.jsonl, physicaliqa-train-dev/dev.jsonl")
      try workspace.expectFailure(evaluate("--tasks", "piqa", "--task-data", "nowhere"), "no such folder")
      // The fixture's context is as long as the text that is to be written.
      try workspace.expectFailure(
        evaluate("--tasks", "gsm8k", "--task-data", "data"), "test.jsonl:1", "leaves no room")
      try workspace.write("{\"context\": 3}\n", to: "requests.jsonl")
      try workspace.expectFailure(evaluate("--requests", "requests.jsonl"), "requests.jsonl:1: 'context' is not a text")
    }
  }
}
