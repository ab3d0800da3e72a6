import Checkpoints

/// The kinds of attention that a `config.json` gives its layers.
struct LayerAttention {
  private(set) var kinds: [AttentionKind] = []
  /// The kind of each layer; empty if there is only one.
  private(set) var kindOfLayer: [Int] = []

  private static let full = "full_attention"
  private static let sliding = "sliding_attention"

  init(
    _ config: HuggingFaceConfig, _ family: Family, layers: Int, context: Int, headDimension: Int
  ) throws {
    let key = "sliding_window"
    let window = try config.integerIfPresent(key) ?? (config.lacks(key) ? family.defaults.window : nil)
    let types = try Self.types(config, family, layers: layers, window: window)
    let present = [Self.full, Self.sliding].filter(types.contains)
    kinds = try present.map { type in
      let rotary = try RotaryConfiguration(
        huggingFace: config, family, layerType: type, context: context, headDimension: headDimension)
      return AttentionKind(rotary: rotary, window: type == Self.sliding ? window : nil)
    }
    if present.count > 1 { kindOfLayer = types.map { $0 == Self.full ? 0 : 1 } }
  }

  /// The type of each layer, by the names that transformers has for them.
  private static func types(
    _ config: HuggingFaceConfig, _ family: Family, layers: Int, window: Int?
  ) throws -> [String] {
    func all(_ isWindowed: Bool) -> [String] { Array(repeating: isWindowed ? sliding : full, count: layers) }
    let listed = try config.stringsIfPresent("layer_types")
    switch family.window {
    case .none:
      if let window, try config.boolIfPresent("use_sliding_window") ?? true {
        config.tellIgnored("sliding_window", "\(window)", family)
      }
      return all(false)
    case .allLayers:
      // transformers takes a Mistral with such a list for a Ministral, which heeds it.
      return try checked(listed, config, layers, window) ?? all(window != nil)
    case .switched:
      guard try config.boolIfPresent("use_sliding_window") ?? false else { return all(false) }
      if let listed = try checked(listed, config, layers, window) { return listed }
      let first = try config.integerIfPresent("max_window_layers") ?? family.defaults.windowLayers
      return (0..<layers).map { window != nil && $0 >= first ? sliding : full }
    case .pattern(let step):
      if let listed = try checked(listed, config, layers, window) { return listed }
      let step = try config.integerIfPresent("sliding_window_pattern") ?? step
      guard step > 0 else {
        throw ModelError.invalidConfiguration(file: config.file, problem: "sliding_window_pattern is \(step)")
      }
      return (0..<layers).map { window != nil && ($0 + 1) % step != 0 ? sliding : full }
    }
  }

  private static func checked(
    _ types: [String]?, _ config: HuggingFaceConfig, _ layers: Int, _ window: Int?
  ) throws -> [String]? {
    guard let types else { return nil }
    if types.count != layers {
      throw ModelError.invalidConfiguration(
        file: config.file, problem: "layer_types has \(types.count) entries for \(layers) layers")
    }
    if let other = types.first(where: { ![sliding, full].contains($0) }) {
      throw ModelError.unsupportedFeature(file: config.file, feature: "the layer type '\(other)'")
    }
    if window == nil, types.contains(sliding) {
      throw ModelError.invalidConfiguration(
        file: config.file, problem: "layer_types names '\(sliding)' layers, but there is no sliding_window")
    }
    return types
  }
}
