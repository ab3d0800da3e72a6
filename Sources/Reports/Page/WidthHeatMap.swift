import Evaluation
import Subnets

/// The widths of one point, layer by layer: a tile for every layer, its attention above its MLP. Tiles wrap into rows,
/// so that 126 layers are as legible on a phone as 30 on a desk.
struct WidthHeatMap {
  var report: StudyReport
  var point: FrontPoint

  var markup: Markup {
    let layers = point.widths.count
    guard layers > 0 else { return PageShell.note("The widths of this point were not recorded.") }
    let columns = [32, 16, 8].map { Self.columns(layers, atMost: $0) }
    return .element(
      "ol",
      [
        "class": "layers", "id": "layers", "aria-label": "Widths by layer",
        "style": "--wide: \(columns[0]); --medium: \(columns[1]); --narrow: \(columns[2])",
      ], point.widths.enumerated().map { tile($0, $1) }) + legend
  }

  /// Tiles in a row, so that all rows are about equally long.
  static func columns(_ layers: Int, atMost limit: Int) -> Int {
    let rows = max(1, (layers + limit - 1) / limit)
    return max(1, (layers + rows - 1) / rows)
  }

  /// Step of the colour ramp for a share; `none` where nothing is left.
  static func step(_ kept: Int, of all: Int) -> String {
    guard kept > 0, all > 0 else { return "none" }
    return String(min(10, max(0, Int((Double(kept) / Double(all) * 10).rounded()))))
  }

  private func tile(_ layer: Int, _ widths: LayerWidths) -> Markup {
    let model = report.model
    let share = NumberText.percent(Double(widths.channels) / Double(max(1, model.mlpChannels)), decimals: 0)
    let text =
      "Layer \(layer): \(widths.groups) of \(model.kvGroupsPerLayer) KV groups, "
      + "\(widths.channels) of \(model.mlpChannels) \(model.mlpUnits) (\(share))"
    func cell(_ kind: String, _ kept: Int, of all: Int, _ text: String) -> Markup {
      .element(
        "span", ["class": "cell \(kind)", "data-step": Self.step(kept, of: all), "aria-hidden": "true"],
        Markup(kept > 0 ? text : "–"))
    }
    return .element(
      "li", ["title": text, "aria-label": text],
      .element("span", ["class": "layer", "aria-hidden": "true"], "\(layer)"),
      cell("attention", widths.groups, of: model.kvGroupsPerLayer, "\(widths.groups)"),
      cell("mlp", widths.channels, of: model.mlpChannels, share.replacing(" %", with: "")))
  }

  private var legend: Markup {
    func ramp(_ name: String, _ text: String) -> Markup {
      let swatches = Palette.steps.map { step in
        Markup.element("span", ["class": "cell \(name)", "data-step": "\(step)"])
      }
      return .element("li", [:], .element("span", ["class": "ramp", "aria-hidden": "true"], swatches), Markup(text))
    }
    return .element(
      "ul", ["class": "legend"],
      ramp("attention", "upper cell: attention, KV groups kept of \(report.model.kvGroupsPerLayer)"),
      ramp(
        "mlp",
        "lower cell: MLP, per cent kept of \(NumberText.grouped(report.model.mlpChannels)) "
          + (report.model.hasExperts == true ? "experts" : "channels")))
  }
}
