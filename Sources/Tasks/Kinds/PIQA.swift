extension TaskKind {
  /// Which of two ways reaches a goal (arXiv 1911.11641).
  static let piqa = TaskKind("piqa", source: "arXiv 1911.11641", metrics: [.accuracy, .normalised]) { folder in
    let places = ["piqa/valid", "physicaliqa-train-dev/dev", "./valid"]
    let rows = try folder.rows(places.map { $0 + ".jsonl" }, of: "piqa")
    let labels = try folder.labels(places.map { $0 + "-labels.lst" }, of: "piqa", for: rows)
    return try zip(rows, labels).map { row, label in
      try .choice(
        row.place, "Question: \(row.string("goal"))\nAnswer:", [row.string("sol1"), row.string("sol2")], right: label)
    }
  }
}

extension TaskFolder {
  /// The numbers of a file with one in each line, as many as rows.
  func labels(_ names: [String], of task: String, for rows: [TaskRow]) throws -> [Int] {
    let url = try file(names, of: task)
    let labels = try labels(in: url)
    guard labels.count == rows.count else {
      throw TaskError.unusable(url.path, "it has \(labels.count) labels for \(rows.count) items")
    }
    return labels
  }
}
