import Foundation

/// A drawing as SVG 1.1: its text stays text, and it has neither scripts nor styles.
enum SVGDrawing {
  /// What a figure of ours says of itself.
  static let mark = "<desc>nas-search figure</desc>"

  static func data(_ drawing: Drawing) -> Data {
    let (width, height) = (number(drawing.width), number(drawing.height))
    let head: [Markup] = [
      .element("title", [:], Markup(drawing.title)), Markup(raw: "\n\(mark)\n"),
      .element("rect", ["width": width, "height": height, "fill": "#ffffff"]),
    ]
    let root = Markup.element(
      "svg",
      [
        "xmlns": "http://www.w3.org/2000/svg", "width": inches(drawing.width), "height": inches(drawing.height),
        "viewBox": "0 0 \(width) \(height)", "font-family": "Helvetica, Arial, 'Liberation Sans', sans-serif",
      ], head + drawing.shapes.map(markup))
    return Data(("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + root.source).utf8)
  }

  private static func markup(_ shape: Drawing.Shape) -> Markup {
    switch shape {
    case .path(let places, let isClosed, let pen):
      let points = places.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
      return .element(
        isClosed ? "polygon" : "polyline",
        ["points": points, "fill": grey(pen.fill), "stroke": grey(pen.stroke), "stroke-width": number(pen.width)])
    case .circle(let place, let radius, let pen):
      return .element(
        "circle",
        [
          "cx": number(place.x), "cy": number(place.y), "r": number(radius), "fill": grey(pen.fill),
          "stroke": grey(pen.stroke), "stroke-width": number(pen.width),
        ])
    case .words(let words):
      let (x, y) = (number(words.place.x), number(words.place.y))
      return .element(
        "text",
        [
          "x": x, "y": y, "font-size": number(words.size), "text-anchor": words.anchor.rawValue,
          "transform": words.isTurned ? "rotate(-90 \(x) \(y))" : nil,
        ], Markup(words.text))
    }
  }

  private static func number(_ value: Double) -> String { NumberText.trimmed(value, 2) }

  private static func inches(_ points: Double) -> String { NumberText.trimmed(points / 72, 4) + "in" }

  private static func grey(_ value: Double?) -> String {
    guard let value else { return "none" }
    let part = String(format: "%02x", Int((min(1, max(0, value)) * 255).rounded()))
    return "#" + part + part + part
  }
}
