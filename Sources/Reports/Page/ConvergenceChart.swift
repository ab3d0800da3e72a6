/// How a value of the search changed with the number of evaluations: a line of steps, since the value holds until the
/// next improvement.
struct ConvergenceChart {
  var title: String
  /// Ascending in evaluations.
  var points: [(evaluations: Int, seconds: Double, value: Double)]

  /// Best value and hypervolume of a report, side by side where there is room.
  static func both(_ report: StudyReport) -> Markup {
    func chart(_ title: String, _ value: (ConvergencePoint) -> Double?) -> Markup {
      let points = report.convergence.compactMap { point in
        value(point).flatMap { $0.isFinite ? (point.evaluations, point.seconds, $0) : nil }
      }
      return ConvergenceChart(title: title, points: points).markup
    }
    return .element(
      "div", ["class": "pair"], chart("Best " + report.bestValueName, \.bestValue),
      chart("Hypervolume", \.hypervolume))
  }

  var markup: Markup {
    let caption = Markup.element("figcaption", [:], Markup(title))
    guard let last = points.last else {
      return .element("figure", [:], caption, PageShell.note("Nothing measured yet."))
    }
    return .element("figure", [:], caption, svg(last: last))
  }

  private func svg(last: (evaluations: Int, seconds: Double, value: Double)) -> Markup {
    let values = points.map(\.value)
    let (low, high) = (values.min() ?? 0, values.max() ?? 1)
    let room = (high - low) * 0.08
    let frame = ChartFrame(
      width: 400, height: 250,
      x: .linear(from: 0, to: Double(max(1, last.evaluations)) * 1.02, ticks: 5),
      y: .linear(from: low - room, to: high + room, ticks: 5), xTitle: "evaluations", yTitle: "")
    var corners: [(Double, Double)] = []
    for point in points {
      let (x, y) = (frame.px(Double(point.evaluations)), frame.py(point.value))
      if let previous = corners.last { corners.append((x, previous.1)) }
      corners.append((x, y))
    }
    let marks = points.map { point in
      ChartFrame.mark(
        .circle, class: points.count <= 60 ? "step" : "step crowded", frame.px(Double(point.evaluations)),
        frame.py(point.value),
        radius: points.count <= 60 ? 3 : 1.5,
        tip: "\(NumberText.significant(point.value, digits: 4)) after \(NumberText.grouped(point.evaluations)) "
          + "evaluations, \(NumberText.duration(point.seconds))")
    }
    let end = (frame.px(Double(last.evaluations)), frame.py(last.value))
    let above = end.1 > frame.top + 30
    let value = ChartFrame.text(
      "label", end.0, end.1 + (above ? -9 : 18), "end", NumberText.significant(last.value, digits: 4))
    let label =
      "\(title) against evaluations: \(NumberText.significant(points[0].value, digits: 4)) after "
      + "\(points[0].evaluations), \(NumberText.significant(last.value, digits: 4)) after \(last.evaluations)."
    return frame.svg(class: "small", label: label, [ChartFrame.polyline("front-line", corners)] + marks + [value])
  }
}
