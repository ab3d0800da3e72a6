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
    if let perplexity = measured.perplexity, let ratio = report.ratioToDense(measured) {
      cards.append(
        Card(
          title: "Perplexity", value: NumberText.large(perplexity),
          detail: "\(NumberText.large(ratio)) × the dense model’s \(NumberText.large(report.dense.perplexity))"))
    }
    cards.append(
      Card(
        title: "KL to dense", value: NumberText.significant(measured.kl),
        detail: measured.top1Agreement.map { "nats a token; same likeliest token at \(NumberText.percent($0))" }
          ?? "nats a token"))
    if let baseline = report.baseline(near: point), baseline.measurement.kl > 0, measured.kl.isFinite {
      let change = measured.kl / baseline.measurement.kl - 1
      let sign = change <= 0 ? "−" : "+"
      cards.append(
        Card(
          title: "Against \(baseline.label)", value: "\(sign)\(NumberText.fixed(abs(change) * 100, 0)) % KL",
          detail: "\(baseline.label) at \(NumberText.percent(baseline.measurement.keepRatio)) kept: "
            + "KL \(NumberText.significant(baseline.measurement.kl)), "
            + "perplexity \(NumberText.large(baseline.measurement.perplexity))"))
    }
    return cards
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
