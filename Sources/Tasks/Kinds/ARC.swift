extension TaskKind {
  /// Questions of science tests (arXiv 1803.05457): those that simple methods answer, and the others.
  static let arcEasy = arc("arc_easy", file: "ARC-Easy")
  static let arcChallenge = arc("arc_challenge", file: "ARC-Challenge")

  private static func arc(_ name: String, file: String) -> TaskKind {
    TaskKind(
      name, source: "arXiv 1803.05457", metrics: [.accuracy, .normalised],
      files: TaskFiles(
        reported: ["\(file)-Test.jsonl", "\(file)-Dev.jsonl"], development: ["\(file)-Train.jsonl"])
    ) { files in
      try files.rows().map { row in
        let question = try ScienceQuestion(row)
        return try .choice(
          row.place, "Question: \(question.stem)\nAnswer:", question.choices, right: question.right)
      }
    }
  }
}

/// The form of question that ARC and OpenBookQA share: `question` with `stem` and `choices` (`text`, `label`), and `answerKey`.
struct ScienceQuestion {
  let stem: String
  let choices: [String]
  let right: Int

  init(_ row: TaskRow) throws {
    let question = try row.part("question")
    let listed = try question.list("choices")
    stem = try question.string("stem")
    choices = try listed.map { try $0.string("text") }
    let labels = try listed.map { try $0.string("label") }
    let key = try row.string("answerKey").trimmingStart
    guard let right = labels.firstIndex(of: key) else {
      throw TaskError.unusable(
        row.place, "'answerKey' is '\(key)', none of the labels \(labels.joined(separator: ", "))")
    }
    self.right = right
  }
}
