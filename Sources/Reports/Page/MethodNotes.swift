/// How the numbers of the page were measured, in words.
struct MethodNotes {
  var report: StudyReport

  var markup: Markup {
    let entries = entries.map { name, text in
      Markup.element("div", [:], .element("dt", [:], Markup(name)), .element("dd", [:], Markup(prose: text)))
    }
    let notes = report.notes.map { Markup.element("p", [:], Markup($0)) }
    return .element("dl", ["class": "methods"], entries) + notes.joined()
  }

  private var entries: [(String, String)] {
    [
      (
        "Text",
        "Every subnet and the dense model saw the same \(ReportWords.fitness(report.fitness)). "
          + "Scores and repair were calibrated on other windows: \(report.calibration)."
      ),
      (
        "KL to dense",
        "The Kullback–Leibler divergence from the dense model’s next-token distribution to the subnet’s, over the "
          + "whole vocabulary, in nats, averaged over all predicted positions. 0 means that both predict alike."
      ),
      (
        "Perplexity",
        "The exponential of the mean negative log-likelihood of the next token, over the same positions. “× dense” "
          + "divides it by the dense model’s. It compares only with numbers from the same windows."
      ),
      (
        "Share kept",
        "Parameters of the decoder blocks that the subnet has, divided by the dense model’s. Embeddings, the final "
          + "norm and the output head are not pruned and count only in “parameters”."
      ),
      (
        "Pareto front",
        "The evaluated subnets that no other one beats or equals in all objectives (\(objectives)) at once. "
          + "The knee is where keeping less begins to cost most."
      ),
      (
        "Hypervolume",
        "The area of objective space that the front dominates, in the units of the study. It grows when the front "
          + "improves anywhere; compare it only within a study."
      ),
    ]
  }

  private var objectives: String {
    report.objectives.isEmpty ? "none declared" : report.objectives.joined(separator: ", ")
  }
}
