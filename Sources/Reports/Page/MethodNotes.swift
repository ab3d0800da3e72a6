import Evaluation

/// How the numbers of the page were measured, in words.
struct MethodNotes {
  var report: StudyReport

  var markup: Markup {
    let sentences = [ReportWords.failures(of: report)].compactMap(\.self) + report.notes
    let notes = sentences.map { Markup.element("p", [:], Markup($0)) }
    return PageShell.definitions(entries) + notes.joined()
  }

  private var entries: [(name: String, text: String)] {
    [text] + report.columns.map { ($0.title.prefix(1).uppercased() + $0.title.dropFirst(), $0.summary) } + [
      (
        "Share kept",
        "Parameters of the decoder blocks that the subnet has, divided by the dense model’s. Embeddings, the final "
          + "norm and the output head are not pruned and count only in “parameters”."
      ),
      (
        "Pareto front",
        "The evaluated subnets that no other one beats or equals in all objectives (\(objectives)) at once. "
          + "The best has the best value of the first objective within the size that the study searches. "
          + "The knee is where keeping less begins to cost most."
      ),
      (
        "Hypervolume",
        "The share of objective space that the front dominates, up to the worst corner that counts. It grows when the "
          + "front improves anywhere; compare it only within a study."
      ),
    ]
  }

  private var text: (String, String) {
    (
      "Text",
      "Every subnet and the dense model saw the same \(ReportWords.fitness(report.fitness)). "
        + "Scores and repair were calibrated on other windows: \(report.calibration)."
    )
  }

  private var objectives: String {
    report.objectives.isEmpty ? "none declared" : report.objectives.map(\.title).joined(separator: ", ")
  }
}
