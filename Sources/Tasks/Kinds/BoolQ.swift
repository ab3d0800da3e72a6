extension TaskKind {
  /// Yes or no, from a passage (arXiv 1905.10044). Its authors' `dev.jsonl` has `title`, `passage`, `question` and `answer`. SuperGLUE's
  /// `val.jsonl` has `label`, and the title in the passage.
  static let boolq = TaskKind(
    "boolq", source: "arXiv 1905.10044", metrics: [.accuracy],
    files: TaskFiles(
      reported: ["BoolQ/dev.jsonl", "boolq/dev.jsonl", "BoolQ/val.jsonl", "boolq/val.jsonl", "./dev.jsonl"],
      development: ["BoolQ/train.jsonl", "boolq/train.jsonl", "./train.jsonl"])
  ) { files in
    try files.rows().map { row in
      let isSuperGLUE = row.has("label")
      let (passage, question) = (try row.string("passage"), try row.string("question"))
      let text = isSuperGLUE ? passage : "\(try row.string("title")) -- \(passage)"
      return try .choice(
        row.place, "\(text)\nQuestion: \(question)?\nAnswer:", ["no", "yes"],
        right: row.bool(isSuperGLUE ? "label" : "answer") ? 1 : 0)
    }
  }
}
