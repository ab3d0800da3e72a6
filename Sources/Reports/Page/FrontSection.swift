import Evaluation
import Subnets

/// The front as a table, with the dense model and the baselines between its rows, and the export commands.
struct FrontSection {
  var report: StudyReport

  var table: Markup {
    var headings: [Markup] = [
      heading("point", "left"), heading("kept"), heading("parameters"),
    ]
    headings += report.columns.flatMap { objective in
      [heading(objective.title)] + (objective.name == TokenPerplexity().name ? [heading("× dense")] : [])
    }
    headings += [
      heading("KV groups"), heading("MLP channels"), heading("score", "left"), heading("calibration", "left"),
    ]
    if !report.front.isEmpty { headings.append(heading("export", "left screen")) }
    let entries: [(Double, Markup)] =
      report.baselines.map { ($0.measurement.keepRatio, row($0)) }
      + report.front.map { ($0.measurement.keepRatio, row($0)) }
    let ordered = entries.enumerated().sorted { left, right in
      left.element.0 != right.element.0 ? left.element.0 > right.element.0 : left.offset < right.offset
    }
    return .element(
      "div", ["class": "scroll", "role": "region", "aria-label": "The Pareto front", "tabindex": "0"],
      .element(
        "table", ["class": "front"], .element("thead", [:], .element("tr", [:], headings)),
        .element("tbody", [:], [dense] + ordered.map(\.element.1))))
      + .element(
        "p", ["class": "note"],
        "KV groups: fewest–most of a layer. MLP channels: fewest–mean–most of a layer.")
  }

  /// Commands of every point, grouped by point; plain text that can be selected without the script.
  var commands: Markup {
    let items = report.front.map { point in
      Markup.element(
        "li", ["id": "export-\(point.index)"],
        .element("p", [:], Markup(prose: PointWords.caption(point, in: report))),
        command(point, .huggingFace), command(point, .gguf))
    }
    return .element(
      "details", ["class": "commands"], .element("summary", [:], "Commands of every point (\(report.front.count))"),
      .element("ol", [:], items))
  }

  /// The commands of one point in a box that the script changes with the chosen point.
  func chosenCommands(_ point: FrontPoint) -> Markup {
    .element(
      "div", ["class": "chosen-commands"],
      .element("p", [:], "Safetensors with configuration and tokenizer, for Hugging Face transformers:"),
      command(point, .huggingFace, id: "command-hf"),
      .element("p", [:], "One GGUF file, for llama.cpp:"), command(point, .gguf, id: "command-gguf"))
  }

  private func command(_ point: FrontPoint, _ format: ExportCommand.Format, id: String? = nil) -> Markup {
    .element(
      "div", ["class": "command"],
      .element("pre", ["id": id, "tabindex": "0"], Markup(ExportCommand.text(report, point, format: format))))
  }

  // MARK: Rows

  private func heading(_ text: String, _ name: String? = nil) -> Markup {
    .element("th", ["scope": "col", "class": name], Markup(text))
  }

  private var dense: Markup {
    let model = report.model
    let widths = [LayerWidths(groups: model.kvGroupsPerLayer, channels: model.mlpChannels)]
    return .element(
      "tr", ["class": "reference"],
      [.element("th", ["scope": "row"], "dense")] + cells(report.dense, widths, "", "") + noExport)
  }

  /// Stands in the column of the export links where there is one.
  private var noExport: [Markup] { report.front.isEmpty ? [] : [.element("td", ["class": "screen"])] }

  private func row(_ baseline: Baseline) -> Markup {
    .element(
      "tr", ["class": "reference"],
      [.element("th", ["scope": "row"], Markup(baseline.label))]
        + cells(baseline.measurement, baseline.widths, baseline.score, baseline.calibration)
        + noExport)
  }

  private func row(_ point: FrontPoint) -> Markup {
    let isChosen = point.index == report.recommended?.index
    var name: [Markup] = [
      .element(
        "a",
        ["href": "#widths", "data-choose": "\(point.index)", "aria-label": "Show the widths of point \(point.index)"],
        "\(point.index)")
    ]
    if point.isBest { name.append(.element("span", ["class": "badge best"], "best")) }
    if point.isKnee { name.append(.element("span", ["class": "badge knee"], "knee")) }
    let export = Markup.element(
      "td", ["class": "left screen"],
      .element(
        "a", ["href": "#export-\(point.index)", "aria-label": "Export commands of point \(point.index)"], "show"))
    return .element(
      "tr",
      ["id": "point-\(point.index)", "data-point": "\(point.index)", "aria-current": isChosen ? "true" : nil],
      [.element("th", ["scope": "row"], name)]
        + cells(point.measurement, point.widths, point.score, point.calibration) + [export])
  }

  private func cells(
    _ measurement: SubnetMeasurement, _ widths: [LayerWidths], _ score: String, _ calibration: String
  ) -> [Markup] {
    func number(_ text: String, title: String? = nil) -> Markup { .element("td", ["title": title], Markup(text)) }
    func word(_ text: String) -> Markup { .element("td", ["class": "left"], Markup(text)) }
    let values = report.columns.flatMap { objective in
      [number(NumberText.value(measurement.values[objective.name], objective.style))]
        + (objective.name == TokenPerplexity().name ? [number(NumberText.large(report.ratioToDense(measurement)))] : [])
    }
    return [
      number(NumberText.percent(measurement.keepRatio)),
      number(
        NumberText.short(measurement.parametersTotal), title: NumberText.grouped(measurement.parametersTotal)),
    ] + values + [
      number(WidthsText.kvGroups(widths)), number(WidthsText.mlpChannels(widths)), word(score), word(calibration),
    ]
  }
}
