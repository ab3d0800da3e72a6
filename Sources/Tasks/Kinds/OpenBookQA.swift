extension TaskKind {
  /// Elementary science that takes a fact from a book and another that everybody knows (arXiv 1809.02789).
  static let openbookqa = TaskKind(
    "openbookqa", source: "arXiv 1809.02789", metrics: [.accuracy, .normalised]
  ) { folder in
    try folder.rows(["Main/test.jsonl", "openbookqa/test.jsonl", "./test.jsonl"], of: "openbookqa").map { row in
      let question = try ScienceQuestion(row)
      return try .choice(row.place, question.stem, question.choices, right: question.right)
    }
  }
}
