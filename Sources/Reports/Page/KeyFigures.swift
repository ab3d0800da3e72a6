import Evaluation

/// The cards at the top of the page: what a reader wants to know before anything else.
struct KeyFigures {
  var report: StudyReport

  struct Card: Equatable {
    var title: String
    var value: String
    var detail: String
  }

  var markup: Markup {
    .element(
      "dl", ["class": "cards"],
      cards.map { card in
        .element(
          "div", ["class": "card"], .element("dt", [:], Markup(card.title)),
          .element("dd", ["class": "value"], Markup(prose: card.value)),
          .element("dd", ["class": "detail"], Markup(prose: card.detail)))
      })
  }

  var cards: [Card] {
    (report.recommended.map(cards) ?? []) + [search]
  }

  private func cards(of point: FrontPoint) -> [Card] {
    let measured = point.measurement
    var cards = [
      Card(
        title: PointWords.name(point).prefix(1).uppercased() + PointWords.name(point).dropFirst(),
        value: NumberText.percent(measured.keepRatio),
        detail: "of block parameters kept; \(NumberText.short(measured.parametersTotal)) of "
          + "\(NumberText.short(report.dense.parametersTotal)) parameters in all")
    ]
    for objective in report.columns.prefix(3) {
      guard let value = measured.values[objective.name] else { continue }
      let title = objective.title.prefix(1).uppercased() + objective.title.dropFirst()
      cards.append(
        Card(title: title, value: NumberText.value(value, objective.style), detail: detail(value, objective)))
    }
    return cards + (report.quality.flatMap { comparison(of: point, $0) }.map { [$0] } ?? [])
  }

  private func detail(_ value: Double, _ objective: ObjectiveDescription) -> String {
    guard let dense = report.dense.values[objective.name], dense > 0 else { return objective.unit }
    let text = NumberText.value(dense, objective.style)
    return objective.style == .share
      ? "the dense model’s: \(text)" : "\(NumberText.large(value / dense)) × the dense model’s \(text)"
  }

  /// The point beside the baseline of its size.
  private func comparison(of point: FrontPoint, _ objective: ObjectiveDescription) -> Card? {
    guard let baseline = report.baseline(near: point), let value = point.measurement.values[objective.name],
      let other = baseline.measurement.values[objective.name], value.isFinite, other > 0
    else { return nil }
    let change = value / other - 1
    let words = report.columns.filter { !$0.isSize }.map { PointWords.value(baseline.measurement.values, $0) }
    return Card(
      title: "Against \(baseline.label)",
      value: "\(change <= 0 ? "−" : "+")\(NumberText.fixed(abs(change) * 100, 0)) % \(objective.title)",
      detail: "\(baseline.label) at \(NumberText.percent(baseline.measurement.keepRatio)) kept: "
        + words.joined(separator: ", "))
  }

  private var search: Card {
    let limits = [
      report.budget.evaluations.map { "\(NumberText.grouped($0)) evaluations" },
      report.budget.seconds.map { NumberText.duration($0) },
    ].compactMap { $0 }
    let budget = limits.isEmpty ? "" : "; budget \(limits.joined(separator: " or "))"
    return Card(
      title: report.finishedAt == nil ? "Evaluations so far" : "Evaluations",
      value: NumberText.grouped(report.evaluationsDone),
      detail: "in \(NumberText.duration(report.searchSeconds))\(budget); \(report.front.count) on the front")
  }
}
