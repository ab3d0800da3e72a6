import Foundation

/// `comparison.html`: a comparison of methods on one page that needs no network, no fonts and no other file.
///
/// As `report.html`, it is complete without its script: charts are inline SVG and their numbers stand in tables.
public enum ComparisonPage {
  /// - Returns: UTF-8 HTML; the same comparison always gives the same bytes.
  public static func data(_ comparison: MethodComparison) -> Data {
    PageShell.document(
      title: "\(comparison.model.name) – nas-search comparison", style: PageAssets.style + "\n" + SeriesStyle.sheet,
      body(comparison))
  }

  private static func body(_ comparison: MethodComparison) -> Markup {
    .element(
      "body", [:], header(comparison), .element("main", [:], sections(comparison)),
      .element(
        "footer", [:],
        "nas-search \(comparison.toolVersion) · \(comparison.methods.count) methods, \(comparison.cells.count) cells"),
      .element("script", [:], Markup(raw: "\n" + PageAssets.comparisonScript + "\n")))
  }

  private static func header(_ comparison: MethodComparison) -> Markup {
    let model = comparison.model
    let shape =
      "\(model.architecture), \(model.layers) layers of \(model.kvGroupsPerLayer) KV groups and "
      + "\(NumberText.grouped(model.mlpChannels)) \(model.mlpUnits), \(NumberText.short(model.parametersTotal)) parameters, "
      + "\(NumberText.short(model.parametersBlock)) of them in blocks"
    return .element(
      "header", [:], .element("p", ["class": "eyebrow"], "nas-search comparison of pruning methods"),
      .element("h1", [:], Markup(model.name)), .element("p", ["class": "subtitle"], Markup(prose: shape)),
      .element("p", ["class": "subtitle"], Markup(prose: "Calibration: \(comparison.calibration).")))
  }

  private static func sections(_ comparison: MethodComparison) -> [Markup] {
    let parts = ComparisonSections(comparison: comparison)
    let last = [
      PageShell.section("methods", "Methods", [parts.methods]),
      PageShell.section("reading", "How to read this", [parts.notes]),
      PageShell.section(
        "command", "Make it again",
        [
          .element("p", [:], "This command makes the comparison, and resumes one that was interrupted:"),
          PageShell.command(comparison.command),
        ]),
    ]
    guard !comparison.cells.isEmpty else {
      return [PageShell.section("winners", "Result", [.element("p", [:], "Nothing measured yet.")])] + last
    }
    let charts = comparison.texts.indices.map { text in
      Markup.element(
        "figure", [:],
        .element("figcaption", [:], Markup(prose: ComparisonGrid.heading(comparison.texts[text]))),
        RatioChart(comparison: comparison, text: text).markup)
    }
    return [
      PageShell.section("winners", "Best method", [parts.winners]),
      PageShell.section("charts", "Size against quality", [RatioChart.legend(comparison)] + charts),
      PageShell.section("tables", "All numbers", [parts.tables]),
    ] + last
  }
}
