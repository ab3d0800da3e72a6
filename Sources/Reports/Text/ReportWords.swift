/// Phrases that the terminal and the page share.
enum ReportWords {
  /// `200 of 200 evaluations in 7 min 41 s, finished`.
  static func progress(of report: StudyReport) -> String {
    let done = NumberText.grouped(report.evaluationsDone)
    let evaluations =
      report.budget.evaluations.map { "\(done) of \(NumberText.grouped($0)) evaluations" }
      ?? (report.evaluationsDone == 1 ? "1 evaluation" : "\(done) evaluations")
    let limit = report.budget.seconds.map { " of at most \(NumberText.duration($0))" } ?? ""
    let state = report.finishedAt == nil ? "unfinished" : "finished"
    return "\(evaluations) in \(NumberText.duration(report.searchSeconds))\(limit), \(state)"
  }

  /// `KL and perplexity on 8 windows of 512 tokens (4,088 predicted) from …`.
  static func fitness(_ fitness: FitnessSummary) -> String {
    let windows = fitness.windows == 1 ? "1 window" : "\(NumberText.grouped(fitness.windows)) windows"
    return "\(windows) of \(NumberText.grouped(fitness.windowLength)) tokens "
      + "(\(NumberText.grouped(fitness.tokens)) predicted), \(fitness.source)"
  }
}
