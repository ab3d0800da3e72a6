import Checkpoints

/// A property of a network that not every loader can be told of.
public enum NetworkTrait: String, Sendable, CaseIterable {
  case scoreScale = "a scale of attention's scores"
  case scoreCap = "a cap on attention's scores"
  case logitCap = "a cap on logits"
  case embeddingScale = "a scale of the embedding"
  case severalRotations = "layers that turn queries and keys in different ways"
  case gelu = "GELU in the MLP"
  case clamped = "an activation that is cut off"
}

extension ModelConfiguration {
  public var traits: Set<NetworkTrait> {
    Set(
      NetworkTrait.allCases.filter { trait in
        switch trait {
        case .scoreScale: block.scoreScale != nil
        case .scoreCap: block.scoreCap != nil
        case .logitCap: logitCap != nil
        case .embeddingScale: embeddingScale != 1
        case .severalRotations:
          attentionOfLayers.contains {
            $0.isTurned != block.attention[0].isTurned || $0.rotary != block.attention[0].rotary
          }
        case .gelu: block.activation == .gelu
        case .clamped:
          if case .clamped = block.activation { true } else { false }
        }
      })
  }

  public var attentionOfLayers: [AttentionKind] { layers.indices.map(attention) }

  /// The sliding window of each layer.
  public var windows: [Int?] { attentionOfLayers.map(\.window) }
}

/// A model class of transformers that networks are written for, with the networks that it takes.
public struct HuggingFaceForm: Sendable {
  /// The entry of `architectures`.
  public let architecture: String
  public let modelType: String
  public let biases: BiasRule
  public let window: Family.Window
  /// Whether the number of query heads has to divide the hidden size; with a module only that of the whole model, which
  /// then describes no layer.
  public var headsDivideHiddenSize = false
  /// A Python module that brings the class, for layers of different widths, without attention or without MLP, and any
  /// biases. A stock class has no module, and one width for all layers.
  public var module: Module?
  /// The traits that the class can be told of.
  public var traits: Set<NetworkTrait> = [.gelu]
  /// Whether the class turns a part of each head, in the order in which the family stores it.
  public var turnsPart = false
  /// Whether parts that the family joins are stored joined.
  public var joinsParts = false
  /// Whether `layer_types` says which layers have the window.
  public var takesSomeWindows = false
  /// Whether a rotary embedding is told for each type of layers, also where all are of one.
  public var tellsRotaryByType = false
  /// The keys of its `config.json` beside those of all classes.
  public var members: @Sendable (ModelConfiguration) -> [String: JSONValue] = { _ in [:] }

  /// Keys for classes that ask a model as a whole for its widths, and that have a padding token of their own where no key
  /// says that there is none.
  static let classKeys: [String: JSONValue] = ["allow_global_per_layer_attribute_access": true, "pad_token_id": nil]

  public struct Module: Sendable {
    /// Without `.py`.
    public let name: String
    /// The base class and the language model in it.
    public let classes: (model: String, causal: String)
    public let source: [UInt8]

    /// The module that builds the layers of a stock model class from widths of their own.
    ///
    /// - Parameters:
    ///   - package: name of the family's package in transformers.
    ///   - name: what the names of its classes begin with.
    ///   - model: class of the model without a head.
    ///   - norms: names of the norms before and behind attention and MLP.
    static func widths(
      of package: String, class name: String, model: String, norms: (attention: [String], mlp: [String])
    ) -> Module {
      make(
        of: package, class: name, model: model, template: PackageResources.modeling_nas_widths_py,
        [
          ("ATTENTION_NORM_NAMES", norms.attention.joined(separator: " ")),
          ("MLP_NORM_NAMES", norms.mlp.joined(separator: " ")),
        ])
    }

    /// The key of a layer's own number of experts.
    public static let expertsOfLayer = "num_experts"

    /// The same for layers of different numbers of experts.
    static func experts(of package: String, class name: String, model: String) -> Module {
      make(of: package, class: name, model: model, template: PackageResources.modeling_nas_experts_py)
    }

    private static func make(
      of package: String, class name: String, model: String, template: [UInt8], _ more: [(String, String)] = []
    ) -> Module {
      let words = more + [("MODEL_PACKAGE", package), ("MODEL_CLASS", model), ("CLASS_NAME", name)]
      let source = words.reduce(String(decoding: template, as: UTF8.self)) { $0.replacing($1.0, with: $1.1) }
      return Module(
        name: "modeling_nas_\(package)", classes: ("NAS\(model)", "NAS\(name)ForCausalLM"), source: Array(source.utf8))
    }
  }

  public static let mistral = HuggingFaceForm(
    architecture: "MistralForCausalLM", modelType: "mistral", biases: .none, window: .allLayers)

  public static let qwen2 = HuggingFaceForm(
    architecture: "Qwen2ForCausalLM", modelType: "qwen2", biases: .queryKeyValue, window: .switched)

  public static let llama = HuggingFaceForm(
    architecture: "LlamaForCausalLM", modelType: "llama", biases: .configured, window: .none,
    headsDivideHiddenSize: true)

  public static let nasMistral = HuggingFaceForm(
    architecture: "NASMistralForCausalLM", modelType: "mistral", biases: .any, window: .allLayers,
    module: Module(
      name: "modeling_nas_mistral", classes: ("NASMistralModel", "NASMistralForCausalLM"),
      source: PackageResources.modeling_nas_mistral_py))

  /// Mistral with a window in some layers.
  public static let ministral = HuggingFaceForm(
    architecture: "MinistralForCausalLM", modelType: "ministral", biases: .none, window: .allLayers,
    takesSomeWindows: true)

  public static let nasMinistral = HuggingFaceForm(
    architecture: "NASMinistralForCausalLM", modelType: "ministral", biases: .any, window: .allLayers,
    module: .widths(
      of: "ministral", class: "Ministral", model: "MinistralModel",
      norms: (["input_layernorm"], ["post_attention_layernorm"])),
    takesSomeWindows: true, members: { _ in classKeys })
}

/// An architecture of llama.cpp that networks are written for, with the networks that its loader takes.
public struct GGUFForm: Sendable {
  /// `general.architecture`.
  public let architecture: String
  /// Whether the layers may differ in width.
  public let takesWidths: Bool
  public let biases: BiasRule
  public let interleavesRotaryRows: Bool
  /// Whether `rope_freqs.weight` and the factors of LongRoPE are loaded.
  public let takesRopeDivisors: Bool
  /// Whether the heads together have to be as wide as the hidden size.
  public var headsFillHiddenSize = false
  /// Whether the head has to be the embedding.
  public var tiesHead = false
  /// Whether a layer may be without attention.
  public var takesNoAttention = false
  /// The parts that the loader wants in one tensor.
  public var joinedParts: [JoinedParts] = []
  /// The traits that its loader can be told of.
  public var traits: Set<NetworkTrait> = []
  /// Whether the loader turns a part of each head.
  public var turnsPart = false
  /// The factor of attention's scores that the loader takes; `nil` for 1/√D. What a network has besides goes into its
  /// queries.
  public var scoreScale: @Sendable (ModelConfiguration) -> Float? = { _ in nil }
  /// Whether the loader heeds sliding windows. Others run without, which is the same up to the window's length.
  public var keepsWindows = false
  /// The keys of its metadata beside those of all architectures, without the architecture's name.
  public var members: @Sendable (ModelConfiguration) -> [(key: String, value: GGUFValue)] = { _ in [] }
  /// Whether the loader weighs a token's experts as a network does.
  public var expertRule: @Sendable (ExpertRouting) -> Bool = { _ in true }
  /// A rule of the loader that a network breaks, as what follows the architecture's name; `nil` for none.
  public var rule: @Sendable (ModelConfiguration) -> String? = { _ in nil }

  public static let qwen2 = GGUFForm(
    architecture: "qwen2", takesWidths: false, biases: .queryKeyValue, interleavesRotaryRows: false,
    takesRopeDivisors: false, headsFillHiddenSize: true)

  public static let llama = GGUFForm(
    architecture: "llama", takesWidths: false, biases: .any, interleavesRotaryRows: true, takesRopeDivisors: true)

  /// llama.cpp's form with widths per layer.
  public static let deci = GGUFForm(
    architecture: "deci", takesWidths: true, biases: .any, interleavesRotaryRows: true, takesRopeDivisors: true,
    takesNoAttention: true)
}
