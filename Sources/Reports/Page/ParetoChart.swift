import Evaluation

/// The Pareto chart: size against quality, every evaluation a faint dot, the front a line, the dense model and the
/// baselines marked beside it.
struct ParetoChart {
  var report: StudyReport

  /// Beyond this many evaluations their dots are drawn as one path, without tooltips, so that the page stays light.
  static let dotsWithTips = 1500

  /// The chart drawn twice, for wide and for narrow screens, so that its text is legible on both; then the legend.
  var markup: Markup {
    svg(width: 760, height: 400, class: "wide", ticks: 7) + svg(width: 340, height: 320, class: "narrow", ticks: 4)
      + legend + notes
  }

  /// Evaluations that have a place in the chart.
  private var drawn: [TrialSummary] {
    report.trials.filter { $0.state == .complete && (value($0.values)?.isFinite ?? false) }
  }

  /// What is drawn over the size.
  private func value(_ values: [String: Double]) -> Double? { report.quality.flatMap { values[$0.name] } }

  private var scale: ChartScale {
    let measured = report.front.map(\.measurement.values) + report.baselines.map(\.measurement.values)
    return .quality((measured + drawn.map(\.values)).compactMap(value), ticks: 6)
  }

  private var notes: Markup {
    var notes: [String] = []
    if scale.isLogarithmic, value(report.dense.values) == 0 {
      notes.append(
        "The dense model has \(report.quality?.title ?? "") 0, which a logarithmic scale cannot show; "
          + "it stands on the lower edge.")
    }
    switch report.trials.count - drawn.count {
    case 0: break
    case 1: notes.append("One evaluation that did not finish is not drawn.")
    case let count: notes.append("\(count) evaluations that did not finish are not drawn.")
    }
    return notes.isEmpty ? .empty : PageShell.note(Markup(notes.joined(separator: " ")))
  }

  func svg(width: Double, height: Double, class name: String, ticks: Int) -> Markup {
    let trials = drawn
    let measured = report.front.map(\.measurement) + report.baselines.map(\.measurement)
    let shares = measured.map(\.keepRatio) + trials.map(\.keepRatio) + [report.dense.keepRatio]
    let y = scale
    let quality = report.quality.map { $0.title + ($0.unit.isEmpty ? "" : ", \($0.unit)") } ?? ""
    let frame = ChartFrame(
      width: width, height: height, x: .kept(shares.filter(\.isFinite), room: 0.03, ticks: ticks), y: y,
      xTitle: "share of block parameters kept",
      yTitle: quality + (y.isLogarithmic ? " (log scale)" : ""), xUnit: " %")
    let label =
      "Pareto chart: \(trials.count) evaluations, \(report.front.count) on the front. "
      + "The same numbers stand in the table of the front."
    return frame.svg(
      class: name, label: label,
      dots(trials, frame) + baselines(frame) + [dense(frame)] + front(frame) + labels(frame) + empty(frame))
  }

  // MARK: Marks

  private func at(_ measurement: SubnetMeasurement, _ frame: ChartFrame) -> (Double, Double) {
    (frame.px(measurement.keepRatio * 100), frame.py(value(measurement.values) ?? .nan))
  }

  private func dots(_ trials: [TrialSummary], _ frame: ChartFrame) -> [Markup] {
    let places = trials.map { (frame.px($0.keepRatio * 100), frame.py(value($0.values) ?? .nan)) }
    guard trials.count <= Self.dotsWithTips else {
      let path = places.map { "M\(ChartFrame.number($0)) \(ChartFrame.number($1))h0" }.joined()
      return [.element("path", ["class": "trials", "d": path])]
    }
    let circles = zip(trials, places).map { trial, place in
      ChartFrame.mark(.circle, class: "trial", place.0, place.1, radius: 3, tip: tip(trial))
    }
    return [.element("g", ["aria-hidden": "true"], circles)]
  }

  private func baselines(_ frame: ChartFrame) -> [Markup] {
    report.baselines.map { baseline in
      let (x, y) = at(baseline.measurement, frame)
      let tip = "\(baseline.label)\n" + PointWords.lines(baseline.measurement, in: report)
      return ChartFrame.mark(.triangle, class: "baseline", x, y, radius: 5.5, tip: tip)
    }
  }

  private func dense(_ frame: ChartFrame) -> Markup {
    let (x, y) = at(report.dense, frame)
    let tip = "dense model\n" + PointWords.lines(report.dense, in: report)
    return ChartFrame.mark(.ring, class: "dense", x, y, radius: 6, tip: tip)
  }

  /// The line and its points; each links to its row of the table. Chosen points come last, on top of the others.
  private func front(_ frame: ChartFrame) -> [Markup] {
    let line = ChartFrame.polyline("front-line", report.front.map { at($0.measurement, frame) })
    let ordered = report.front.filter { !$0.isBest && !$0.isKnee } + report.front.filter { $0.isBest || $0.isKnee }
    let marks = ordered.map { point in
      let (x, y) = at(point.measurement, frame)
      let tip = "\(PointWords.name(point))\n" + PointWords.lines(point, in: report)
      let shape: ChartFrame.Shape = point.isBest ? .diamond : point.isKnee ? .square : .circle
      let name = point.isBest ? "front best" : point.isKnee ? "front knee" : "front"
      let radius = point.isBest || point.isKnee ? 6.0 : 4
      return Markup.element(
        "a", ["href": "#point-\(point.index)", "aria-label": tip.replacing("\n", with: ", ")],
        ChartFrame.mark(shape, class: name, x, y, radius: radius, tip: tip, point: point.index))
    }
    return [line] + marks
  }

  /// Names of the chosen points, below and left of them, where nothing can be plotted: no evaluation beats the front.
  private func labels(_ frame: ChartFrame) -> [Markup] {
    var taken: [(x: Double, y: Double)] = []
    func place(_ name: String, _ text: String, _ x: Double, _ y: Double) -> Markup {
      let width = Double(text.count) * 6.6
      let fits = x - 8 - width > frame.left
      var place = (x: fits ? x - 9 : x + 9, y: min(y + 15, frame.height - frame.bottom - 5))
      while taken.contains(where: { abs($0.y - place.y) < 13 && abs($0.x - place.x) < 80 }) { place.y -= 13 }
      taken.append(place)
      return ChartFrame.text("label \(name)", place.x, place.y, fits ? "end" : "start", text)
    }
    var labels: [Markup] = []
    for point in report.front where point.isBest || point.isKnee {
      let (x, y) = at(point.measurement, frame)
      let text = [point.isBest ? "best" : nil, point.isKnee ? "knee" : nil].compactMap { $0 }.joined(separator: ", ")
      labels.append(place(point.isBest ? "best" : "knee", text, x, y))
    }
    return labels
  }

  private func empty(_ frame: ChartFrame) -> [Markup] {
    guard report.front.isEmpty else { return [] }
    let x = (frame.left + frame.width - frame.right) / 2
    return [ChartFrame.text("label", x, frame.height / 2, "middle", "no finished evaluation yet")]
  }

  private func tip(_ trial: TrialSummary) -> String {
    let values = report.columns.filter { trial.values[$0.name] != nil }.map { PointWords.value(trial.values, $0) }
    return "evaluation \(trial.number), \(trial.origin)\n"
      + "\(NumberText.percent(trial.keepRatio)) kept, \(NumberText.short(trial.parametersTotal)) parameters\n"
      + values.joined(separator: ", ") + "\n\(trial.score), \(trial.calibration)"
  }

  // MARK: Legend

  private var legend: Markup {
    var items: [(ChartFrame.Shape, String, String)] = []
    if !drawn.isEmpty { items.append((.circle, "trial", "evaluation")) }
    if !report.front.isEmpty { items.append((.circle, "front", "Pareto front")) }
    if report.front.contains(where: \.isBest) { items.append((.diamond, "front best", "best")) }
    if report.front.contains(where: { $0.isKnee && !$0.isBest }) { items.append((.square, "front knee", "knee")) }
    if !report.baselines.isEmpty {
      let names = report.baselines.reduce(into: [String]()) { if !$0.contains($1.label) { $0.append($1.label) } }
      items.append((.triangle, "baseline", names.joined(separator: ", ")))
    }
    items.append((.ring, "dense", "dense model"))
    return .element(
      "ul", ["class": "legend"],
      items.map { ChartFrame.legendItem($0, class: $1, $2) })
  }
}
