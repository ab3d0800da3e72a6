import Checkpoints
import LanguageModels

/// The type of each matrix of a GGUF file, as llama.cpp's quantiser chooses it for a mixture.
///
/// Some matrices are finer than the mixture's name says, and rows that are no whole number of blocks fall back to a type
/// of smaller blocks (`llama_tensor_get_type` and `tensor_type_fallback` of llama.cpp).
struct TensorMixture {
  let type: WeightType
  private let architecture: String
  private let layerCount: Int
  private let experts: Int
  private let tiesHead: Bool
  /// The places of layers among those that have a value projection, and among those that have a down projection.
  private let values: [Int: Int]
  private let downs: [Int: Int]

  init(_ type: WeightType, _ configuration: ModelConfiguration, architecture: String) {
    func places(_ has: (LayerShape) -> Bool) -> [Int: Int] {
      let layers = configuration.layers.indices.filter { has(configuration.layers[$0]) }
      return Dictionary(uniqueKeysWithValues: zip(layers, layers.indices))
    }
    self.type = type
    self.architecture = architecture
    layerCount = configuration.layerCount
    tiesHead = configuration.tiedEmbeddings
    experts = configuration.storedExperts == nil ? 0 : configuration.layers[0].mlpChannels
    values = places { $0.kvHeads > 0 }
    downs = places { $0.mlpChannels > 0 }
  }

  /// - Parameters:
  ///   - name: name of a matrix in the file.
  ///   - columns: number of values of a row.
  func type(of name: String, columns: Int) -> ElementType {
    guard type.isQuantised else { return type.element }
    // Routers are small, and decide everything.
    if name.contains("ffn_gate_inp") { return .f32 }
    return Self.fallback(wanted(name, columns), columns)
  }

  private func wanted(_ name: String, _ columns: Int) -> ElementType {
    if name == "output.weight" || (tiesHead && name == "token_embd.weight") {
      return type == .q80 || columns % type.element.blockSize != 0 ? .q80 : .q6K
    }
    guard name.hasPrefix("blk."), let layer = Int(name.dropFirst(4).prefix { $0.isNumber }) else { return type.element }
    if name.contains("attn_v.") || name.contains("attn_qkv.") {
      if experts == 8 { return .q80 }
      if isMixture, isFiner(values[layer] ?? 0, of: values.count) { return .q6K }
      return type.element == .q4K && isLarge ? .q5K : type.element
    }
    if name.contains("attn_k."), experts == 8 { return .q80 }
    if name.contains("attn_output"), experts == 8, type == .q4KM { return .q5K }
    if name.contains("ffn_down"), isMixture {
      let place = experts > 1 ? layer : downs[layer] ?? 0
      return isFiner(place, of: layerCount) ? .q6K : type.element
    }
    return type.element
  }

  private var isMixture: Bool { type == .q4KM || type == .q5KM }

  /// llama.cpp's "70B" models, in which eight query heads share a value head.
  private var isLarge: Bool { layerCount == 80 && ["llama", "deci", "qwen2"].contains(architecture) }

  /// Whether a layer belongs to the first or last eighth, or is every third of the others.
  private func isFiner(_ place: Int, of count: Int) -> Bool {
    place < count / 8 || place >= 7 * count / 8 || (place - count / 8) % 3 == 2
  }

  private static func fallback(_ type: ElementType, _ columns: Int) -> ElementType {
    if columns % type.blockSize == 0 { return type }
    let smaller: ElementType =
      switch type {
      case .q4K: .q50
      case .q5K: .q51
      case .q6K: .q80
      default: .f16
      }
    return columns % smaller.blockSize == 0 ? smaller : .f16
  }
}
