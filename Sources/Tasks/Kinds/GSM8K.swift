extension TaskKind {
  /// Sums in words, to which a solution is written (arXiv 2110.14168). Five examples stand before each, drawn from the training items as
  /// the Language Model Evaluation Harness draws them.
  static let gsm8k = TaskKind(
    "gsm8k", source: "arXiv 2110.14168", metrics: [.strict, .flexible],
    files: TaskFiles(reported: ["gsm8k/test.jsonl", "grade_school_math/data/test.jsonl", "./test.jsonl"])
  ) { files in
    let folder = files.folder
    let examples = try folder.rows(
      ["gsm8k/train.jsonl", "grade_school_math/data/train.jsonl", "./train.jsonl"], of: "gsm8k"
    )
    .map(Problem.init)
    let shots = 5
    guard examples.count >= shots else {
      throw TaskError.unusable(
        folder.url.path, "the task 'gsm8k' needs \(shots) training items, there are \(examples.count)")
    }
    var random = PythonRandom(seed: 1234)
    return try files.rows().map { row in
      let problem = try Problem(row)
      let shown = random.sample(shots, of: examples.count).map { examples[$0] }
      let head = shown.map { "\($0.prompt) \($0.answer)\n\n" }.joined()
      return TaskItem(
        row.place,
        .generation(
          GenerationQuestion(
            head + problem.prompt, stops: ["Question:", "</s>", "<|im_end|>"], right: problem.answer)))
    }
  }

  private struct Problem {
    let prompt: String
    let answer: String

    init(_ row: TaskRow) throws {
      (prompt, answer) = ("Question: \(try row.string("question"))\nAnswer:", try row.string("answer"))
    }
  }
}
