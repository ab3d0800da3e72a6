import Foundation

/// The colours of the page: blue, vermilion, bluish green and purple stay apart for colour-blind readers, and every
/// mark has a shape of its own besides.
struct Palette: Sendable {
  /// A colour in sRGB, components 0…255.
  struct Color: Equatable, Sendable {
    private var components: SIMD3<Double>

    init(_ hex: UInt32) { components = SIMD3(Double(hex >> 16 & 0xFF), Double(hex >> 8 & 0xFF), Double(hex & 0xFF)) }

    var css: String {
      "#" + components.indices.map { String(format: "%02x", Int(components[$0].rounded())) }.joined()
    }

    func mixed(with other: Color, _ share: Double) -> Color {
      var color = self
      color.components += (other.components - components) * share
      return color
    }

    /// Relative luminance, 0…1 (WCAG 2.2).
    var luminance: Double {
      func linear(_ component: Double) -> Double {
        let value = component / 255
        return value <= 0.040_45 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
      }
      return 0.2126 * linear(components.x) + 0.7152 * linear(components.y) + 0.0722 * linear(components.z)
    }

    /// Contrast ratio, 1…21 (WCAG 2.2).
    func contrast(with other: Color) -> Double {
      let (low, high) = (min(luminance, other.luminance), max(luminance, other.luminance))
      return (high + 0.05) / (low + 0.05)
    }
  }

  var background: Color
  var surface: Color
  var text: Color
  var muted: Color
  var rule: Color
  var front: Color
  var best: Color
  var knee: Color
  var baseline: Color
  /// Heat map of attention: nothing kept, all kept.
  var attention: (Color, Color)
  /// Heat map of the MLP: nothing kept, all kept.
  var mlp: (Color, Color)

  static let light = Palette(
    background: Color(0xFFFFFF), surface: Color(0xF4F6F8), text: Color(0x1A1D21), muted: Color(0x545C66),
    rule: Color(0xD3D8DE), front: Color(0x0B5CAD), best: Color(0xB3470B), knee: Color(0x0A7257),
    baseline: Color(0x6F4BA3), attention: (Color(0xFDF3E7), Color(0xA8480C)), mlp: (Color(0xEDF4FB), Color(0x0B5CAD)))

  static let dark = Palette(
    background: Color(0x14171A), surface: Color(0x1E2226), text: Color(0xE8EAED), muted: Color(0xA7AFB9),
    rule: Color(0x3A4149), front: Color(0x6CB4FF), best: Color(0xFF9E5E), knee: Color(0x4FD1A5),
    baseline: Color(0xC9A7FF), attention: (Color(0x2B2119), Color(0xFFA968)), mlp: (Color(0x17222D), Color(0x7CBDFF)))

  /// Steps of a heat map: 0 is nothing kept, 10 is all kept.
  static let steps = 0...10

  /// Background and text of a heat-map cell; the text is black or white, whichever contrasts more.
  static func cell(_ ramp: (Color, Color), step: Int) -> (background: Color, text: Color) {
    let background = ramp.0.mixed(with: ramp.1, Double(step) / Double(steps.upperBound))
    let (black, white) = (Color(0x000000), Color(0xFFFFFF))
    return (background, black.contrast(with: background) >= white.contrast(with: background) ? black : white)
  }

  /// The palette as declarations of CSS custom properties.
  var declarations: String {
    let named: [(String, Color)] = [
      ("background", background), ("surface", surface), ("text", text), ("muted", muted), ("rule", rule),
      ("front", front), ("best", best), ("knee", knee), ("baseline", baseline),
    ]
    let ramps = [("attention", attention), ("mlp", mlp)].flatMap { name, ramp in
      Palette.steps.flatMap { step in
        let cell = Palette.cell(ramp, step: step)
        return [("\(name)-\(step)", cell.background), ("\(name)-\(step)-text", cell.text)]
      }
    }
    return (named + ramps).map { "  --\($0): \($1.css);" }.joined(separator: "\n")
  }
}
