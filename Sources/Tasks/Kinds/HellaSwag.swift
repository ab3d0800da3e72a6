extension TaskKind {
  /// How a description goes on (arXiv 1905.07830).
  static let hellaswag = TaskKind(
    "hellaswag", source: "arXiv 1905.07830", metrics: [.accuracy, .normalised],
    files: TaskFiles(
      reported: ["hellaswag_val.jsonl", "hellaswag/val.jsonl"],
      development: ["hellaswag_train.jsonl", "hellaswag/train.jsonl"])
  ) { files in
    try files.rows().map { row in
      let context = try "\(row.string("ctx_a")) \(row.string("ctx_b").capitalizedOnce)"
      return try .choice(
        row.place, cleaned("\(row.string("activity_label")): \(context)"), row.strings("endings").map(cleaned),
        right: row.integer("label"))
    }
  }

  /// Takes away what WikiHow's marks for titles and links leave in a text.
  private static func cleaned(_ text: String) -> String {
    withoutBrackets(text.trimmed.replacingScalars(" [title]", with: ". ")).replacingScalars("  ", with: " ")
  }

  /// Without what stands in brackets on one line, brackets included.
  private static func withoutBrackets(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = String.UnicodeScalarView()
    var place = 0
    while place < scalars.count {
      if scalars[place] == "[", let end = scalars[place...].firstIndex(where: { $0 == "]" || $0 == "\n" }),
        scalars[end] == "]"
      {
        place = end + 1
      } else {
        result.append(scalars[place])
        place += 1
      }
    }
    return String(result)
  }
}
