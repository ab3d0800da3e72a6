extension TaskKind {
  /// The last word of a passage that only the whole passage tells (arXiv 1606.06031), in OpenAI's form: a `text` in each line, which is
  /// cut at its last space.
  static let lambada = TaskKind(
    "lambada_openai", source: "arXiv 1606.06031", metrics: [.perplexity, .accuracy],
    files: TaskFiles(reported: ["lambada_test.jsonl", "lambada/test.jsonl"])
  ) { files in
    try files.rows().map { row in
      let text = try row.string("text").unicodeScalars
      guard let space = text.lastIndex(of: " ") else { throw TaskError.unusable(row.place, "'text' has one word only") }
      return TaskItem(row.place, .continuation(TextPair(String(text[..<space]), String(text[space...]))))
    }
  }
}
