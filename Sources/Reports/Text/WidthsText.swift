import Subnets

/// A subnet's widths in a few characters.
enum WidthsText {
  /// Fewest to most KV groups of a layer: `1–3`, or `3` where all layers agree.
  static func kvGroups(_ widths: [LayerWidths]) -> String {
    guard let low = widths.map(\.groups).min(), let high = widths.map(\.groups).max() else {
      return NumberText.unknown
    }
    return low == high ? "\(low)" : "\(low)–\(high)"
  }

  /// Fewest, mean and most MLP channels of a layer: `512–1180–1536`, or `1536` where all layers agree.
  static func mlpChannels(_ widths: [LayerWidths]) -> String {
    guard let low = widths.map(\.channels).min(), let high = widths.map(\.channels).max() else {
      return NumberText.unknown
    }
    guard low != high else { return "\(low)" }
    let total = widths.reduce(0.0) { $0 + Double($1.channels) }
    return "\(low)–\(NumberText.fixed(total / Double(widths.count), 0))–\(high)"
  }
}
