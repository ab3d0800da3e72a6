import Checkpoints
import Evaluation
import Foundation

/// `report.html`: the whole study on one page that needs no network, no fonts and no other file.
///
/// The page is complete without its script: charts are inline SVG, the heat map shows the recommended point, and the
/// commands of every point are plain text. A content security policy in its head forbids any request.
public enum HTMLPage {
  /// - Returns: UTF-8 HTML; the same report always gives the same bytes.
  public static func data(_ report: StudyReport) -> Data {
    PageShell.document(title: "\(report.name) – nas-search report", style: PageAssets.style, body(report))
  }

  private static func body(_ report: StudyReport) -> Markup {
    .element(
      "body", [:],
      header(report),
      .element("main", [:], sections(report)),
      footer(report),
      .element(
        "script", ["type": "application/json", "id": "report-data"], Markup(raw: scriptData(report).script)),
      .element("script", [:], Markup(raw: "\n" + PageAssets.script + "\n")))
  }

  private static func sections(_ report: StudyReport) -> [Markup] {
    let front = FrontSection(report: report)
    let point = report.recommended
    let sections: [(id: String, title: String, content: [Markup])?] = [
      ("figures", "Result", [KeyFigures(report: report).markup]),
      ("pareto", "Size against quality", [.element("figure", [:], ParetoChart(report: report).markup)]),
      report.files.isEmpty ? nil : ("files", "Exported points, measured", FilesSection(report: report).markup),
      AxesExplorer(report: report).markup.map { ("axes", "Any two axes", [$0]) },
      point.map { ("widths", "Widths by layer", widths(report, $0)) },
      ("front", report.front.isEmpty ? "References" : "The Pareto front", [front.table]),
      point.map { ("export", "Take a point away", [front.chosenCommands($0), front.commands]) },
      report.front.count > 1
        ? ("allocations", "The front's points side by side", [AllocationTable(report: report).markup]) : nil,
      report.importance.isEmpty ? nil : ("importance", "What mattered", [ImportanceTable(report: report).markup]),
      ("convergence", "Convergence", [ConvergenceChart.both(report)]),
      ("settings", "Settings", [settings(report)]),
      ("methods", "How this was measured", [MethodNotes(report: report).markup]),
    ]
    return sections.compactMap { $0 }.map { section in
      // The script draws what is in it.
      PageShell.section(section.id, section.title, section.content, isHidden: section.id == "axes")
    }
  }

  // MARK: Parts

  private static func header(_ report: StudyReport) -> Markup {
    let model = report.model
    let shape =
      "\(model.name) (\(model.architecture)): \(model.layers) layers of \(model.kvGroupsPerLayer) KV groups and "
      + "\(NumberText.grouped(model.mlpChannels)) \(model.mlpUnits), \(NumberText.short(model.parametersTotal)) parameters"
    var parts: [Markup] = [
      .element("p", ["class": "eyebrow"], "nas-search report"), .element("h1", [:], Markup(report.name)),
      .element("p", ["class": "subtitle"], Markup(prose: shape)),
    ]
    if report.finishedAt == nil {
      parts.append(
        .element(
          "div", ["class": "notice"],
          .element("p", [:], "This study is unfinished: \(ReportWords.effort(of: report)). Resume it with"),
          PageShell.command(report.command)))
    }
    return .element("header", [:], parts)
  }

  private static func widths(_ report: StudyReport, _ point: FrontPoint) -> [Markup] {
    let options = report.front.map { candidate in
      let text =
        "\(PointWords.name(candidate)): \(NumberText.percent(candidate.measurement.keepRatio))"
        + (report.quality.map { ", \(PointWords.value(candidate.measurement.values, $0))" } ?? "")
      return Markup.element(
        "option",
        ["value": "\(candidate.index)", "selected": candidate.index == point.index ? "selected" : nil],
        Markup(text))
    }
    let choice = Markup.element(
      "div", ["class": "choose", "hidden": "hidden"], .element("label", ["for": "choose"], "Show"),
      .element("select", ["id": "choose"], options))
    return [
      choice,
      .element("p", ["id": "chosen", "aria-live": "polite"], Markup(prose: PointWords.caption(point, in: report))),
      WidthHeatMap(report: report, point: point).markup,
    ]
  }

  private static func settings(_ report: StudyReport) -> Markup {
    let model = report.model
    let shape = [
      Setting("name", model.name), Setting("architecture", model.architecture),
      Setting("fingerprint", model.fingerprint),
      Setting("parameters", NumberText.grouped(model.parametersTotal)),
      Setting("of these in blocks", NumberText.grouped(model.parametersBlock)),
      Setting("layers", "\(model.layers)"),
      Setting("attention of a layer", "\(model.kvGroupsPerLayer) KV groups of \(model.queryHeadsPerGroup) query heads"),
      Setting("head dimension", "\(model.headDimension)"),
      Setting(
        model.hasExperts == true ? "Experts of a layer" : "MLP channels of a layer",
        NumberText.grouped(model.mlpChannels)),
    ]
    let intro: Markup =
      report.finishedAt == nil ? "This command resumes the study:" : "This command repeats the study:"
    return .element("p", [:], intro) + PageShell.command(report.command)
      + .element("div", ["class": "facts"], table("Search", report.settings), table("Model", shape))
  }

  private static func table(_ caption: String, _ settings: [Setting]) -> Markup {
    let rows = settings.map { setting in
      Markup.element(
        "tr", [:], .element("th", ["scope": "row"], Markup(setting.key)), .element("td", [:], Markup(setting.value)))
    }
    return .element(
      "div", [:],
      .element("table", [:], .element("caption", [:], Markup(caption)), .element("tbody", [:], rows)))
  }

  private static func footer(_ report: StudyReport) -> Markup {
    let times = [
      report.startedAt.map { "started \(NumberText.moment($0))" },
      report.finishedAt.map { "finished \(NumberText.moment($0))" },
    ].compactMap { $0 }
    return .element(
      "footer", [:],
      Markup((["nas-search \(report.toolVersion)", ReportWords.progress(of: report)] + times).joined(separator: " · ")))
  }

  /// What the script needs to show another point.
  private static func scriptData(_ report: StudyReport) -> JSONValue {
    let points: [String: JSONValue] = [
      "kvGroups": .integer(report.model.kvGroupsPerLayer),
      "mlpChannels": .integer(report.model.mlpChannels),
      "chosen": .optional(report.recommended?.index),
      "points": .array(
        report.front.map { point in
          .object([
            "index": .integer(point.index),
            "caption": .string(ReportWords.tied(PointWords.caption(point, in: report))),
            "hf": .string(ExportCommand.text(report, point, format: .huggingFace)),
            "gguf": .string(ExportCommand.text(report, point, format: .gguf)),
            "kvGroups": .integers(point.widths.map(\.groups)),
            "mlpChannels": .integers(point.widths.map(\.channels)),
          ])
        }),
    ]
    return .object(points.merging(AxesExplorer(report: report).data) { $1 })
  }
}
