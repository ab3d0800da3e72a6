extension TaskKind {
  /// Which of two names a blank stands for (arXiv 1907.10641). What is scored is the text behind the blank, after each of them.
  static let winogrande = TaskKind(
    "winogrande", source: "arXiv 1907.10641", metrics: [.accuracy],
    files: TaskFiles(
      reported: ["winogrande_1.1/dev", "winogrande/dev", "./dev"],
      development: ["winogrande_1.1", "winogrande", "."].flatMap { folder in
        ["xl", "debiased", "l", "m", "s"].map { "\(folder)/train_\($0)" }
      }, ending: ".jsonl", labels: "-labels.lst")
  ) { files in
    let rows = try files.rows()
    let hasAnswers = rows.allSatisfy { $0.has("answer") }
    let labels =
      try hasAnswers
      ? rows.map { try $0.integer("answer") }
      : files.labels(for: rows)
    return try zip(rows, labels).map { row, label in
      guard (1...2).contains(label) else {
        throw TaskError.unusable(row.place, "the answer is \(label), neither 1 nor 2")
      }
      guard let parts = try row.string("sentence").split(atFirst: "_") else {
        throw TaskError.unusable(row.place, "'sentence' has no blank (_)")
      }
      let contexts = [try row.string("option1"), try row.string("option2")].map { parts.before + $0 }
      let end = parts.after.trimmed
      guard !end.isEmpty else { throw TaskError.unusable(row.place, "nothing stands behind the blank") }
      return TaskItem(
        row.place, .choice(contexts.map { TextPair($0, " " + end) }, texts: contexts, right: label - 1))
    }
  }
}
