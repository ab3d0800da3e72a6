/// Which genes moved the first objective, as a table with bars: sums by kind, then the largest single ones.
struct ImportanceTable {
  var report: StudyReport

  /// Single genes shown.
  private static let most = 12

  var markup: Markup {
    let objective = report.objectives.first?.title ?? "the first objective"
    let rows = kinds.map { row($0) } + report.importance.prefix(Self.most).map { row($0) }
    let head: [Markup] = [
      .element("th", ["scope": "col"], "gene"), .element("th", ["scope": "col"], "share"), .element("td", [:]),
    ]
    return PageShell.scroll("What mattered", PageShell.table(class: "importance", head: head, rows: rows))
      + PageShell.note(
        Markup(
          "Share of the variation of \(objective) among all evaluations that a gene explains alone, all else averaged, by a "
            + "Gaussian process of the results. Genes that act together are not seen here, so shares need not sum to 100 %."
        ))
  }

  /// Sums of the widths of one kind, where there are several.
  var kinds: [GeneShare] {
    ["attention", "mlp"].compactMap { kind in
      let members = report.importance.filter { $0.name.hasSuffix("." + kind) }
      return members.count < 2
        ? nil : GeneShare("\(kind) of all layers", members.reduce(0) { $0 + $1.share })
    }
  }

  private func row(_ gene: GeneShare) -> Markup {
    let width = NumberText.fixed(min(1, gene.share) * 100, 1)
    return .element(
      "tr", [:], .element("th", ["scope": "row"], Markup(gene.name)),
      .element("td", [:], Markup(NumberText.percent(gene.share))),
      .element("td", [:], .element("span", ["class": "bar", "style": "width: \(width)%"])))
  }
}
