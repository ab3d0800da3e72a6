/// Perplexity as a multiple of the dense model's over the share kept, a line for each method, on one text.
struct RatioChart {
  var comparison: MethodComparison
  /// Index into the comparison's texts.
  var text: Int

  /// Beyond this many clipped points the note below the chart counts them only.
  static let listed = 8

  /// A cell with a place in the chart. NaN has none, infinity stands at the upper edge.
  private struct Point {
    var size: Double
    var keepRatio: Double
    var ratio: Double
    var tip: String
  }

  private struct Series {
    var index: Int
    var method: String
    /// Smallest share first.
    var points: [Point]
  }

  /// The chart drawn twice, for wide and for narrow screens, so that its text is legible on both; then notes.
  var markup: Markup {
    svg(width: 760, height: 420, class: "wide", ticks: 7) + svg(width: 340, height: 340, class: "narrow", ticks: 4)
      + notes
  }

  /// The key of all charts of a comparison; the script turns its items into switches.
  static func legend(_ comparison: MethodComparison) -> Markup {
    let methods = comparison.methods.enumerated().map { index, method in
      let style = SeriesStyle(index)
      let key = Markup.element(
        "svg", ["class": "wide", "viewBox": "0 0 32 16", "aria-hidden": "true"],
        ChartFrame.polyline("series-line \(style.classes)", [(0, 8), (32, 8)]),
        ChartFrame.mark(style.shape, class: "series-mark \(style.classes)", 16, 8, radius: 4, tip: nil))
      return Markup.element("li", ["data-series": "\(index)"], key, .element("span", [:], Markup(method.name)))
    }
    return .element(
      "ul", ["class": "legend", "id": "series"],
      methods + [ChartFrame.legendItem(.ring, class: "dense", "dense model")])
  }

  func svg(width: Double, height: Double, class name: String, ticks: Int) -> Markup {
    let axis = self.axis
    let series = self.series
    let shares = series.flatMap(\.points).map(\.keepRatio) + [1]
    let frame = ChartFrame(
      width: width, height: height, x: .kept(shares, room: 0.04, ticks: ticks), y: axis.scale,
      xTitle: "share of block parameters kept",
      yTitle: axis.scale.isLogarithmic ? "perplexity × dense (log scale)" : "perplexity × dense", xUnit: " %")
    let label =
      "Perplexity on \(comparison.texts[text].name) as a multiple of the dense model’s over the share kept: "
      + "\(series.count) methods. The same numbers stand in the tables."
    var marks = [ChartFrame.line("dense-line", frame.left, frame.py(1), width - frame.right, frame.py(1))]
    if let ceiling = axis.ceiling {
      marks.append(ChartFrame.line("ceiling", frame.left, frame.py(ceiling), width - frame.right, frame.py(ceiling)))
    }
    marks += series.map { drawn($0, axis, frame, among: clipped(series, axis)) }
    marks.append(
      ChartFrame.mark(
        .ring, class: "dense", frame.px(100), frame.py(1), radius: 6,
        tip: "dense model\nperplexity \(NumberText.large(comparison.texts[text].densePerplexity))"))
    return frame.svg(class: name, label: label, marks)
  }

  // MARK: Data

  private var series: [Series] {
    comparison.methods.enumerated().map { index, method in
      let points = comparison.keepTargets.reversed().compactMap { size -> Point? in
        guard let cell = comparison.cell(method.name, size), cell.keepRatio.isFinite,
          let ratio = comparison.ratioToDense(cell, text: text), !ratio.isNaN
        else { return nil }
        return Point(size: size, keepRatio: cell.keepRatio, ratio: ratio, tip: tip(cell, ratio))
      }
      return Series(index: index, method: method.name, points: points)
    }
  }

  private var axis: RatioScale {
    RatioScale(
      series.flatMap(\.points).map(\.ratio),
      winners: comparison.winners.filter { $0.text == text }.compactMap(\.ratioToDense), ticks: 6)
  }

  /// Methods that leave the axis, by size: their marks stand side by side.
  private func clipped(_ series: [Series], _ axis: RatioScale) -> [Double: [Int]] {
    series.reduce(into: [:]) { result, series in
      for point in series.points where axis.isClipped(point.ratio) {
        result[point.size, default: []].append(series.index)
      }
    }
  }

  private func tip(_ cell: MethodComparison.Cell, _ ratio: Double) -> String {
    let kl = cell.kl.map { "\nKL \(NumberText.kl($0))" } ?? ""
    return "\(cell.method)\n\(NumberText.percent(cell.keepRatio)) kept, \(NumberText.short(cell.parametersTotal)) "
      + "parameters\nperplexity \(NumberText.large(comparison.perplexity(cell, text: text))) "
      + "(\(NumberText.large(ratio)) × dense)\(kl)"
  }

  // MARK: Marks

  private func drawn(
    _ series: Series, _ axis: RatioScale, _ frame: ChartFrame, among clipped: [Double: [Int]]
  ) -> Markup {
    let style = SeriesStyle(series.index)
    let room = (frame.width - frame.left - frame.right) / Double(comparison.keepTargets.count + 1)
    let places = series.points.map { point -> (point: Point, x: Double, y: Double, isClipped: Bool) in
      let x = frame.px(point.keepRatio * 100)
      guard axis.isClipped(point.ratio) else { return (point, x, frame.py(point.ratio), false) }
      let row = clipped[point.size] ?? []
      let place = Double(row.firstIndex(of: series.index) ?? 0) - Double(row.count - 1) / 2
      return (point, x + place * min(9, room / Double(max(1, row.count))), frame.top + 4, true)
    }
    let lines = zip(places, places.dropFirst()).filter { !($0.isClipped && $1.isClipped) }.map { left, right in
      let leaving = left.isClipped || right.isClipped ? " leaving" : ""
      return ChartFrame.polyline("series-line \(style.classes)\(leaving)", [(left.x, left.y), (right.x, right.y)])
    }
    let marks = places.map { place in
      ChartFrame.mark(
        place.isClipped ? .triangle : style.shape,
        class: "series-mark \(style.classes)\(place.isClipped ? " clipped" : "")", place.x, place.y, radius: 4.5,
        tip: place.point.tip + (place.isClipped ? "\nbeyond the axis" : ""))
    }
    let values = series.points.reversed().map {
      "\(NumberText.large($0.ratio)) at \(NumberText.percent($0.keepRatio))"
    }
    let label = "\(series.method): " + (values.isEmpty ? "no values" : values.joined(separator: ", "))
    return .element("g", ["data-series": "\(series.index)", "role": "img", "aria-label": label], lines + marks)
  }

  // MARK: Notes

  private var notes: Markup {
    let axis = self.axis
    var notes: [String] = []
    if let ceiling = axis.ceiling {
      let names = series.flatMap { series in
        series.points.filter { axis.isClipped($0.ratio) }.map {
          "\(series.method) at \(ComparisonGrid.size($0.size)) (×\(NumberText.large($0.ratio)))"
        }
      }
      let list =
        names.count > Self.listed ? "\(names.count) in all, in the tables below" : names.joined(separator: ", ")
      notes.append(
        "Hollow triangles at the upper edge stand for ratios beyond \(NumberText.large(ceiling)), where the axis ends: "
          + list + ".")
    }
    let missing = comparison.methods.flatMap { method in
      comparison.keepTargets.compactMap { size -> String? in
        guard let cell = comparison.cell(method.name, size) else { return nil }
        let ratio = comparison.ratioToDense(cell, text: text)
        return ratio == nil || ratio?.isNaN == true ? "\(method.name) at \(ComparisonGrid.size(size))" : nil
      }
    }
    if !missing.isEmpty { notes.append("Without a number and not drawn: \(missing.joined(separator: ", ")).") }
    return notes.map { PageShell.note(Markup(prose: $0)) }.joined()
  }
}
