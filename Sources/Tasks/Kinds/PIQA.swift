extension TaskKind {
  /// Which of two ways reaches a goal (arXiv 1911.11641).
  static let piqa = TaskKind(
    "piqa", source: "arXiv 1911.11641", metrics: [.accuracy, .normalised],
    files: TaskFiles(
      reported: ["piqa/valid", "physicaliqa-train-dev/dev", "./valid"],
      development: ["piqa/train", "physicaliqa-train-dev/train", "./train"], ending: ".jsonl", labels: "-labels.lst")
  ) { files in
    let rows = try files.rows()
    let labels = try files.labels(for: rows)
    return try zip(rows, labels).map { row, label in
      try .choice(
        row.place, "Question: \(row.string("goal"))\nAnswer:", [row.string("sol1"), row.string("sol2")], right: label)
    }
  }
}
