import LanguageModels

/// Phrases that the terminal and the page share.
enum ReportWords {
  /// `200 of 200 evaluations in 7 min 41 s, finished`.
  static func progress(of report: StudyReport) -> String {
    effort(of: report) + (report.finishedAt == nil ? ", unfinished" : ", finished")
  }

  /// `200 of 200 evaluations in 7 min 41 s`.
  static func effort(of report: StudyReport) -> String {
    let done = NumberText.grouped(report.evaluationsDone)
    let evaluations =
      report.budget.evaluations.map { "\(done) of \(NumberText.grouped($0)) evaluations" }
      ?? (report.evaluationsDone == 1 ? "1 evaluation" : "\(done) evaluations")
    let limit = report.budget.seconds.map { " of at most \(NumberText.duration($0))" } ?? ""
    return "\(evaluations) in \(NumberText.duration(report.searchSeconds))\(limit)"
  }

  /// How many evaluations failed, and why the first did; `nil` if none failed.
  static func failures(of report: StudyReport) -> String? {
    let failed = report.trials.filter { $0.state == .failed }
    guard let first = failed.first else { return nil }
    let count = failed.count == 1 ? "1 evaluation" : "\(NumberText.grouped(failed.count)) evaluations"
    return "\(count) failed; the first, trial \(first.number): \(first.failure ?? "the reason is not known")."
  }

  /// `8 windows of 512 tokens (4,088 predicted) from …`.
  static func fitness(_ fitness: FitnessSummary) -> String {
    windows(fitness.windows, of: fitness.windowLength, predicted: fitness.tokens) + ", " + fitness.source
  }

  static func windows(_ count: Int, of length: Int, predicted: Int) -> String {
    "\(count == 1 ? "1 window" : "\(NumberText.grouped(count)) windows") of \(NumberText.grouped(length)) tokens "
      + "(\(NumberText.grouped(predicted)) predicted)"
  }

  static func model(_ model: ModelSummary) -> String {
    "\(model.name), \(model.architecture), \(model.layers) layers, \(NumberText.short(model.parametersTotal)) parameters "
      + "(\(NumberText.short(model.parametersBlock)) in blocks)"
  }

  /// The text with every number tied to its unit by a no-break space. Not for commands: it changes spaces.
  static func tied(_ text: String) -> String {
    text.replacing(#/(?<number>[0-9]) (?<unit>%|k\b|M\b|B\b|T\b|s\b|min\b|h\b|d\b|× dense)/#) { match in
      "\(match.number)\u{00A0}\(match.unit.replacing(" ", with: "\u{00A0}"))"
    }
  }
}
