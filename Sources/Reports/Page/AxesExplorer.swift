import Checkpoints
import Evaluation
import Foundation

/// The chart whose axes the reader chooses. The script draws it; without one it does not show.
struct AxesExplorer {
  var report: StudyReport

  /// What it begins with: what files are compared by, else the usual axes.
  private var first: AxisPair? { report.fileAxes ?? report.usualAxes }

  /// `nil` where there are no two axes.
  var markup: Markup? {
    let axes = report.axes
    guard let first, axes.count > 1 else { return nil }
    func menu(_ id: String, _ title: String, _ chosen: ObjectiveDescription) -> [Markup] {
      let options = axes.enumerated().map { place, axis in
        Markup.element(
          "option", ["value": "\(place)", "selected": axis.name == chosen.name ? "selected" : nil], Markup(axis.title))
      }
      return [.element("label", ["for": id], Markup(title)), .element("select", ["id": id], options)]
    }
    return .element(
      "div", ["id": "explorer"],
      .element(
        "div", ["class": "choose"], menu("axis-x", "Across", first.x) + menu("axis-y", "Up", first.y)),
      .element(
        "svg",
        ["class": "chart", "viewBox": "0 0 760 400", "role": "group", "aria-label": "Points in the two chosen axes"]),
      .element("p", ["class": "note", "id": "explored", "aria-live": "polite"]),
      isThinned
        ? PageShell.note("Of so many evaluations only those on the study’s front are drawn; report --axes takes all.")
        : .empty)
  }

  /// Axes and points for the script, whose values are in the units of the axes. Evaluations that the front lacks are most of them, and
  /// so lists of their numbers and values.
  var data: [String: JSONValue] {
    let points = drawn
    let own = Set(report.fileColumns.map(\.axis.name))
    let axes = report.axes.map { axis in
      (axis, AxisUnit(axis, largest: points.compactMap { $0.values[axis.name] }.filter(\.isFinite).max() ?? 0))
    }
    func values(_ point: PlottedPoint) -> [JSONValue] {
      axes.map { axis, unit in Self.short(point.values[axis.name].map { $0 / unit.size }) }
    }
    let isPlain = { (point: PlottedPoint) in point.kind == .evaluation && point.point == nil }
    return [
      "axes": .array(
        axes.map { axis, unit in
          [
            "title": .string(unit.title(axis, isLogarithmic: false)), "up": .bool(axis.direction == .maximize),
            "files": .bool(own.contains(axis.name)),
          ]
        }),
      "evaluations": .array(
        points.filter(isPlain).map { .array([.string(String($0.name.dropFirst(Self.evaluation.count)))] + values($0)) }),
      "plotted": .array(
        points.filter { !isPlain($0) }.map { point in
          .object([
            "kind": .string(point.kind.rawValue), "name": .string(point.name), "label": .string(point.label),
            "point": .optional(point.point), "values": .array(values(point)),
          ])
        }),
    ]
  }

  /// All points, but of very many evaluations only those on the study's front.
  private var drawn: [PlottedPoint] {
    report.plotted.filter { !isThinned || $0.kind != .evaluation || $0.point != nil }
  }

  private var isThinned: Bool { report.trials.count > ParetoChart.dotsWithTips }

  /// What precedes the number of an evaluation in its name.
  private static let evaluation = "evaluation "

  /// Four significant digits, which is what a chart shows.
  private static func short(_ value: Double?) -> JSONValue {
    guard let value, value.isFinite else { return .null }
    return .optional(Double(String(format: "%.3e", value)))
  }
}
