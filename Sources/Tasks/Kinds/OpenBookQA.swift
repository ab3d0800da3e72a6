extension TaskKind {
  /// Elementary science that takes a fact from a book and another that everybody knows (arXiv 1809.02789).
  static let openbookqa = TaskKind(
    "openbookqa", source: "arXiv 1809.02789", metrics: [.accuracy, .normalised],
    files: TaskFiles(
      reported: ["Main/test.jsonl", "openbookqa/test.jsonl", "./test.jsonl"],
      development: ["Main/train.jsonl", "openbookqa/train.jsonl", "./train.jsonl"])
  ) { files in
    try files.rows().map { row in
      let question = try ScienceQuestion(row)
      return try .choice(row.place, question.stem, question.choices, right: question.right)
    }
  }
}
