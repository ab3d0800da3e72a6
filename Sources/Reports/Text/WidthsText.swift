import Subnets

/// A subnet's widths in a few characters.
enum WidthsText {
  /// Fewest to most KV groups of a layer: `1–3`, or `3` where all layers agree.
  static func kvGroups(_ widths: [LayerWidths]) -> String { span(widths.map(\.groups)) { _ in "" } }

  /// Fewest, mean and most MLP channels of a layer: `512–1180–1536`, or `1536` where all layers agree.
  static func mlpChannels(_ widths: [LayerWidths]) -> String {
    span(widths.map(\.channels)) { NumberText.fixed(Double($0.reduce(0, +)) / Double($0.count), 0) + "–" }
  }

  private static func span(_ values: [Int], between: ([Int]) -> String) -> String {
    guard let low = values.min(), let high = values.max() else { return NumberText.unknown }
    return low == high ? "\(low)" : "\(low)–\(between(values))\(high)"
  }
}
