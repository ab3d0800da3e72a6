import Evaluation
import Subnets

/// The widths of the front's points side by side: a row a point, a cell a layer, the darker the more is kept.
struct AllocationTable {
  var report: StudyReport

  /// Points shown; of more, some that are spread evenly, with the ends.
  private static let most = 12

  var markup: Markup {
    let model = report.model
    return PageShell.scroll(
      "Allocations",
      table("attention", "Attention: KV groups kept of \(model.kvGroupsPerLayer)", model.kvGroupsPerLayer, \.groups),
      table(
        "mlp",
        "MLP: \(model.hasExperts == true ? "experts" : "channels") kept of \(NumberText.grouped(model.mlpChannels))",
        model.mlpChannels, \.channels))
      + PageShell.note("Layers from the first to the last; the largest point on top.")
  }

  var points: [FrontPoint] {
    let all = report.front.filter { !$0.widths.isEmpty }
    if all.count <= Self.most { return all }
    var shown = (0..<Self.most).map { all[$0 * (all.count - 1) / (Self.most - 1)] }
    // The point that the page is about is always among them.
    if let chosen = report.recommended, !shown.contains(where: { $0.index == chosen.index }) {
      shown.append(chosen)
      shown.sort { $0.index < $1.index }
    }
    return shown
  }

  private func table(
    _ kind: String, _ caption: String, _ all: Int, _ width: (LayerWidths) -> Int
  ) -> Markup {
    let rows = points.map { point in
      let heading = "\(PointWords.label(point)), \(NumberText.percent(point.measurement.keepRatio))"
      let cells = point.widths.enumerated().map { layer, widths in
        let kept = width(widths)
        return Markup.element(
          "td", ["title": "Point \(point.index), layer \(layer): \(kept) of \(all)"],
          .element("span", ["class": "cell \(kind)", "data-step": WidthHeatMap.step(kept, of: all)]))
      }
      return Markup.element("tr", [:], [.element("th", ["scope": "row"], Markup(prose: heading))] + cells)
    }
    return .element(
      "table", ["class": "allocation"], .element("caption", [:], Markup(caption)), .element("tbody", [:], rows))
  }
}
