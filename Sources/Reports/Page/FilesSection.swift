import Evaluation

/// What was measured of exported points: quality over bytes as a chart, and everything as a table.
struct FilesSection {
  var report: StudyReport

  var markup: [Markup] {
    let table = FilesTable(report)
    let head = table.titles.enumerated().map { place, title in
      Markup.element(
        "th", ["scope": "col", "class": table.textColumns.contains(place) ? "left" : nil], Markup(title))
    }
    let rows = table.rows.map { row in
      let cells = row.cells.enumerated().dropFirst().map { place, cell in
        Markup.element("td", ["class": table.textColumns.contains(place) ? "left" : nil], Markup(prose: cell))
      }
      return Markup.element(
        "tr", ["class": row.file.trial == nil ? "reference" : nil],
        [.element("th", ["scope": "row", "title": row.file.name], Markup(row.cells[0]))] + cells)
    }
    return chart + [
      PageShell.scroll("Measured files", PageShell.table(class: "front", head: head, rows: rows))
    ] + table.notes.map { PageShell.note(Markup($0)) }
  }

  private var chart: [Markup] {
    guard let axes = report.fileAxes else { return [] }
    let caption = "\(axes.y.title.prefix(1).uppercased())\(axes.y.title.dropFirst()) over the bytes of the file."
    return [
      .element(
        "figure", [:], svg(axes, width: 760, height: 400, class: "wide", ticks: 7),
        svg(axes, width: 340, height: 320, class: "narrow", ticks: 4), legend,
        .element("figcaption", [:], Markup(caption)))
    ]
  }

  private func svg(_ axes: AxisPair, width: Double, height: Double, class name: String, ticks: Int) -> Markup {
    let points = report.plotted(axes)
    let places = points.compactMap(axes.at)
    let (xUnit, yUnit) = (
      AxisUnit(axes.x, largest: places.map(\.x).max() ?? 0), AxisUnit(axes.y, largest: places.map(\.y).max() ?? 0)
    )
    let (x, y) = (
      ChartScale.fitting(places.map { $0.x / xUnit.size }, ticks: ticks),
      ChartScale.fitting(places.map { $0.y / yUnit.size }, ticks: 6)
    )
    let frame = ChartFrame(
      width: width, height: height, x: x, y: y, xTitle: xUnit.title(axes.x, isLogarithmic: x.isLogarithmic),
      yTitle: yUnit.title(axes.y, isLogarithmic: y.isLogarithmic))
    func at(_ point: PlottedPoint) -> (Double, Double) {
      let values = axes.at(point) ?? (0, 0)
      return (frame.px(values.x / xUnit.size), frame.py(values.y / yUnit.size))
    }
    let front = axes.front(of: points).map { at(points[$0]) }.sorted { $0.0 < $1.0 }
    let corners = front.indices.flatMap { $0 == 0 ? [front[0]] : [(front[$0].0, front[$0 - 1].1), front[$0]] }
    let marks = points.flatMap { point -> [Markup] in
      let (x, y) = at(point)
      let isDense = point.kind == .denseFile
      let tip = ([point.name] + [axes.x, axes.y].map { PointWords.value(point.values, $0) }).joined(separator: "\n")
      let isLast = x > width - 90
      return [
        ChartFrame.mark(
          isDense ? .ring : .circle, class: isDense ? "dense" : "front", x, y, radius: isDense ? 5.5 : 4.5, tip: tip),
        ChartFrame.text("label", isLast ? x - 9 : x + 9, y + 4, isLast ? "end" : "start", point.label),
      ]
    }
    return frame.svg(
      class: name, label: "\(points.count) files. The same numbers stand in the table below.",
      [ChartFrame.polyline("front-line", corners)] + marks)
  }

  private var legend: Markup {
    .element(
      "ul", ["class": "legend"], ChartFrame.legendItem(.circle, class: "front", "exported point, its number and type"),
      ChartFrame.legendItem(.ring, class: "dense", "dense model, its type"))
  }
}
