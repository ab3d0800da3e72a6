/// The rectangle that a chart is drawn in, with its two axes.
struct ChartFrame {
  /// User units of the SVG; one is a CSS pixel where the chart is shown at its natural size.
  var width: Double
  var height: Double
  var x: ChartScale
  var y: ChartScale
  var xTitle: String
  var yTitle: String
  /// What follows the number of a tick on the x axis.
  var xUnit = ""

  let top = 26.0
  let right = 14.0
  let bottom = 42.0
  let left = 52.0

  func px(_ value: Double) -> Double { left + (width - left - right) * x.position(value) }
  func py(_ value: Double) -> Double { height - bottom - (height - top - bottom) * y.position(value) }

  /// Grid, tick labels and axis titles, then the marks.
  func svg(class name: String, label: String, _ marks: [Markup]) -> Markup {
    .element(
      "svg",
      [
        "class": "chart \(name)", "viewBox": "0 0 \(Self.number(width)) \(Self.number(height))", "role": "group",
        "aria-label": label,
      ], axes + marks)
  }

  private var axes: [Markup] {
    let (x0, x1) = (left, width - right)
    let (y0, y1) = (height - bottom, top)
    var parts: [Markup] = []
    for tick in y.ticks {
      let at = py(tick)
      parts.append(Self.line("grid", x0, at, x1, at))
      parts.append(Self.text("tick", x0 - 6, at + 4, "end", y.label(tick)))
    }
    for tick in x.ticks {
      let at = px(tick)
      parts.append(Self.line("grid", at, y0, at, y1))
      parts.append(Self.text("tick", at, y0 + 16, "middle", x.label(tick) + xUnit))
    }
    parts.append(Self.line("axis", x0, y0, x1, y0))
    parts.append(Self.line("axis", x0, y0, x0, y1))
    parts.append(Self.text("axis-title", (x0 + x1) / 2, height - 6, "middle", xTitle))
    parts.append(Self.text("axis-title", 4, 14, "start", yTitle))
    return parts
  }

  // MARK: Pieces of SVG

  /// At most two decimals, so that files stay small.
  static func number(_ value: Double) -> String { NumberText.trimmed(value, 2) }

  static func line(_ name: String, _ x0: Double, _ y0: Double, _ x1: Double, _ y1: Double) -> Markup {
    .element(
      "line", ["class": name, "x1": number(x0), "y1": number(y0), "x2": number(x1), "y2": number(y1)])
  }

  static func text(_ name: String, _ x: Double, _ y: Double, _ anchor: String, _ content: String) -> Markup {
    .element("text", ["class": name, "x": number(x), "y": number(y), "text-anchor": anchor], Markup(content))
  }

  /// A line through points in the order given; empty for no points.
  static func polyline(_ name: String, _ points: [(Double, Double)]) -> Markup {
    guard !points.isEmpty else { return .empty }
    let list = points.map { "\(number($0.0)),\(number($0.1))" }.joined(separator: " ")
    return .element("polyline", ["class": name, "points": list])
  }

  enum Shape { case circle, diamond, square, triangle, ring }

  static func legendItem(_ shape: Shape, class name: String, _ text: String) -> Markup {
    let key = Markup.element(
      "svg", ["viewBox": "0 0 16 16", "aria-hidden": "true"], mark(shape, class: name, 8, 8, radius: 5, tip: nil))
    return .element("li", [:], key, .element("span", [:], Markup(text)))
  }

  /// A mark around a point, with a tooltip; `data-x` and `data-y` let the script find the nearest.
  static func mark(
    _ shape: Shape, class name: String, _ x: Double, _ y: Double, radius: Double, tip: String?, point: Int? = nil
  ) -> Markup {
    let title = tip.map { Markup.element("title", [:], Markup($0)) } ?? .empty
    let number = Self.number
    let index = point.map(String.init)
    switch shape {
    case .circle, .ring:
      return .element(
        "circle",
        [
          "class": name, "cx": number(x), "cy": number(y), "r": number(radius), "data-x": number(x),
          "data-y": number(y), "data-point": index,
        ], title)
    case .diamond, .square, .triangle:
      let corners: [(Double, Double)] =
        switch shape {
        case .diamond: [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)]
        case .square: [(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)]
        default: [(0, -1.15), (1.1, 0.8), (-1.1, 0.8)]
        }
      let list = corners.map { "\(number(x + $0.0 * radius)),\(number(y + $0.1 * radius))" }.joined(separator: " ")
      return .element(
        "polygon",
        ["class": name, "points": list, "data-x": number(x), "data-y": number(y), "data-point": index], title)
    }
  }
}
