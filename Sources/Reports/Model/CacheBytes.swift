import Evaluation
import LanguageModels
import Subnets

/// The keys and values that a model keeps of each token, in layers without a window.
public enum CacheBytes {
  public static let description = ObjectiveDescription(
    name: "cache_bytes", title: "cache of a token", unit: "bytes",
    summary: "Bytes of the keys and values of one token in all layers, at two bytes each.",
    style: .plain, direction: .minimize, isSize: true)

  /// - Parameter widths: of all layers; `nil` is returned where they are not known.
  public static func value(_ widths: [LayerWidths], of model: ModelSummary) -> Double? {
    guard !widths.isEmpty, widths.count == model.layers, model.headDimension > 0 else { return nil }
    return Double(2 * WeightBytes.each * model.headDimension * widths.reduce(0) { $0 + $1.groups })
  }
}
