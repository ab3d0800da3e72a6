/// How the lines of many methods are told apart: a colour, and a mark of its own beside it. Five marks and seven colours
/// give 35 pairs before one is used again; from the eighth method on the line is dashed, from the 15th dotted.
struct SeriesStyle: Equatable {
  var color: Int
  var shape: ChartFrame.Shape
  var dash: Int

  init(_ index: Int) {
    let shapes: [ChartFrame.Shape] = [.circle, .square, .triangle, .diamond, .ring]
    color = index % Self.light.count
    shape = shapes[index % shapes.count]
    dash = index / Self.light.count % 3
  }

  /// Classes of a line or mark.
  var classes: String { "c\(color) d\(dash)" + (shape == .ring ? " hollow" : "") }

  /// Blue, vermilion, green, purple, brown, teal, magenta; dark enough for graphics on white.
  static let light = [0x0B5CAD, 0xC2410C, 0x0A7257, 0x6F4BA3, 0x7A5A10, 0x0E7490, 0xB0216B].map(Palette.Color.init)
  /// The same, light enough for graphics on the dark background.
  static let dark = [0x6CB4FF, 0xFF9E5E, 0x4FD1A5, 0xC9A7FF, 0xD9B45B, 0x5FD0E6, 0xFF8FC4].map(Palette.Color.init)

  /// Rules for the lines, marks and legend of a comparison, after those of `Styles`.
  static var sheet: String {
    let names = light.indices
    func declarations(_ colors: [Palette.Color]) -> String {
      zip(names, colors).map { "  --c\($0): \($1.css);" }.joined(separator: "\n")
    }
    let rules = names.map { ".c\($0) { --series: var(--c\($0)); }" }.joined(separator: "\n")
    return [
      ":root {\n\(declarations(light))\n}",
      "@media screen and (prefers-color-scheme: dark) {\n:root {\n\(declarations(dark))\n}\n}", rules, base,
    ].joined(separator: "\n")
  }

  private static let base = """
    .series-line { fill: none; stroke: var(--series); stroke-width: 2; stroke-linejoin: round; }
    .series-line.d1 { stroke-dasharray: 7 4; }
    .series-line.d2 { stroke-dasharray: 2 3; }
    .series-line.leaving { stroke-width: 1; opacity: .55; }
    .series-mark { fill: var(--series); stroke: var(--background); stroke-width: 1; }
    .series-mark.hollow, .series-mark.clipped { fill: var(--background); stroke: var(--series); stroke-width: 2; }
    .series-mark.near { stroke: var(--text); stroke-width: 2; }
    .dense-line { stroke: var(--text); stroke-width: 1; stroke-dasharray: 4 4; }
    .ceiling { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 1 4; }
    .legend svg.wide { width: 2rem; }
    .legend button { display: flex; align-items: center; gap: .4rem; padding: .15rem .5rem; font-size: .88rem; }
    .legend button[aria-pressed="false"] { opacity: .5; text-decoration: line-through; }
    .grid td.best { color: var(--best); font-weight: 650; }
    .grid td .part { font-weight: 400; color: var(--muted); }
    .grid td.best .part { color: inherit; }
    .grid td.failed { color: var(--muted); font-style: italic; }
    .grid td, .grid thead th:not(:first-child) { padding-right: 1rem; }
    .grid abbr { display: inline-block; width: 0; text-decoration: none; }
    h3 { margin: 1.5rem 0 .5rem; font-size: .95rem; line-height: 1.4; font-weight: 600; }
    #charts figure { margin-top: 1.5rem; }
    @media print {
      #charts .legend button { border: 0; }
      .series-line, .series-mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
    }
    """
}
