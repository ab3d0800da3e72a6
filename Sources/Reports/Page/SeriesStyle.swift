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

  /// Rules for the lines, marks and legend of a comparison, after those of every page.
  static var sheet: String {
    let names = light.indices
    func declarations(_ colors: [Palette.Color]) -> String {
      zip(names, colors).map { "  --c\($0): \($1.css);" }.joined(separator: "\n")
    }
    let rules = names.map { ".c\($0) { --series: var(--c\($0)); }" }.joined(separator: "\n")
    return [
      PageAssets.themes(light: declarations(light), dark: declarations(dark)), rules, PageAssets.comparisonStyle,
    ].joined(separator: "\n")
  }
}
