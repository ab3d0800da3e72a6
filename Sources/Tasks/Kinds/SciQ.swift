import Checkpoints

extension TaskKind {
  private static var folders: [String] { ["SciQ", "sciq", "SciQ dataset-2 3", "."] }

  /// Questions of science exams with a supporting text (arXiv 1707.06209). Its authors' `test.json` is one list.
  static let sciq = TaskKind(
    "sciq", source: "arXiv 1707.06209", metrics: [.accuracy, .normalised],
    files: TaskFiles(
      reported: folders.map { $0 + "/test.json" }, development: folders.map { $0 + "/train.json" })
  ) { files in
    let url = try files.url()
    guard let list = try JSONValue.read(url, dialect: .python).array, !list.isEmpty else {
      throw TaskError.unusable(url.path, "it is not a list of questions")
    }
    return try list.enumerated().map { number, value in
      let row = TaskRow(value: value, place: "\(url.path), question \(number + 1)")
      let keys = ["distractor1", "distractor2", "distractor3", "correct_answer"]
      return try .choice(
        row.place, "\(row.string("support").trimmingStart)\nQuestion: \(row.string("question"))\nAnswer:",
        keys.map(row.string), right: 3)
    }
  }
}
