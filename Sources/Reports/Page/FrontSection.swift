import Evaluation

/// The front as a table, with the dense model and the baselines between its rows, and the export commands.
struct FrontSection {
  var report: StudyReport

  var table: Markup {
    let table = FrontTable(report)
    let headings =
      [heading("point", "left")] + table.columns.map { heading($0.title, $0.isText ? "left" : nil) }
      + (report.front.isEmpty ? [] : [heading("export", "left screen")])
    return PageShell.scroll(
      "The Pareto front",
      PageShell.table(class: "front", head: headings, rows: table.rows.map { row($0, table.columns) }))
      + PageShell.note(Markup(table.widthsNote))
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
    PageShell.command(ExportCommand.text(report, point, format: format), id: id)
  }

  // MARK: Rows

  private func heading(_ text: String, _ name: String? = nil) -> Markup {
    .element("th", ["scope": "col", "class": name], Markup(text))
  }

  private func row(_ row: FrontTable.Row, _ columns: [FrontTable.Column]) -> Markup {
    let cells = columns.map {
      Markup.element("td", ["class": $0.isText ? "left" : nil, "title": $0.tooltip(row)], Markup($0.cell(row)))
    }
    guard let point = row.point else {
      // Stands in the column of the export links if there is one.
      let noExport: [Markup] = report.front.isEmpty ? [] : [.element("td", ["class": "screen"])]
      return .element(
        "tr", ["class": "reference"], [.element("th", ["scope": "row"], Markup(row.name))] + cells + noExport)
    }
    var name: [Markup] = [
      .element(
        "a",
        ["href": "#widths", "data-choose": "\(point.index)", "aria-label": "Show the widths of point \(point.index)"],
        Markup(row.name))
    ]
    if point.isBest { name.append(.element("span", ["class": "badge best"], "best")) }
    if point.isKnee { name.append(.element("span", ["class": "badge knee"], "knee")) }
    let export = Markup.element(
      "td", ["class": "left screen"],
      .element(
        "a", ["href": "#export-\(point.index)", "aria-label": "Export commands of point \(point.index)"], "show"))
    let isChosen = point.index == report.recommended?.index
    return .element(
      "tr",
      ["id": "point-\(point.index)", "data-point": "\(point.index)", "aria-current": isChosen ? "true" : nil],
      [.element("th", ["scope": "row"], name)] + cells + [export])
  }
}
