/// The style sheets and scripts of the pages. They are files of their own languages, which the build embeds.
///
/// A page says everything without its script; with it, points can be chosen, tooltips follow the pointer and commands
/// can be copied. Text reaches the document as text only, never as markup.
enum PageAssets {
  /// System fonts, light and dark, phone to desk, and print.
  static var style: String {
    // Colours of the heat map's cells, one rule a step and kind.
    let ramps = ["attention", "mlp"].flatMap { name in
      Palette.steps.map { step in
        ".\(name)[data-step=\"\(step)\"] { background: var(--\(name)-\(step)); color: var(--\(name)-\(step)-text); }"
      }
    }
    return [
      themes(light: "  color-scheme: light dark;\n" + Palette.light.declarations, dark: Palette.dark.declarations),
      text(PackageResources.page_css).replacing("/* ramps */", with: ramps.joined(separator: "\n")),
    ].joined(separator: "\n")
  }

  /// Declarations for light and for dark screens.
  static func themes(light: String, dark: String) -> String {
    ":root {\n\(light)\n}\n@media screen and (prefers-color-scheme: dark) {\n:root {\n\(dark)\n}\n}"
  }

  static var comparisonStyle: String { text(PackageResources.comparison_css) }

  static var script: String {
    shared(PackageResources.report_js).replacing("  /* explorer */", with: text(PackageResources.explorer_js))
  }

  /// Tooltips, copying, and a switch for every line of the charts.
  static var comparisonScript: String { shared(PackageResources.comparison_js) }

  private static func shared(_ script: [UInt8]) -> String {
    text(script).replacing("  /* shared */", with: text(PackageResources.shared_js))
  }

  /// Without the final line break.
  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.dropLast(), as: UTF8.self) }
}
