import Checkpoints

/// A family of decoder-only models: the names of its checkpoints, the differences of its layers from the common form,
/// and the forms that its networks are written in.
///
/// A new family is one file with one value and one line in `Family.all`: see `docs/adding-a-family.md`.
public struct Family: Sendable {
  /// The name in messages and reports.
  public let name: String
  /// Entries of `architectures` in a Hugging Face `config.json`, the stock one first.
  public let architectures: [String]
  /// Values of `model_type` there.
  public let modelTypes: [String]
  /// Values of `general.architecture` in GGUF files.
  public let ggufArchitectures: [String]
  /// Whether GGUF files store the rows of each head of Q and K interleaved (new row `2j` = row `j`, new row `2j + 1` =
  /// row `j + D/2`), as llama.cpp's "normal" rope wants them.
  public let ggufInterleavesRotaryRows: Bool
  /// The parts of a layer that has attention and MLP, with the names of their tensors.
  public var partNames = PartName.common
  /// Which projections have biases.
  public let biases: BiasRule
  /// Which layers see a sliding window only.
  public let window: Window
  /// Values for keys that a `config.json` lacks.
  public let defaults: Defaults
  /// Reads what only this family's `config.json` says, into the configuration that the common keys gave.
  public var readHuggingFace: @Sendable (HuggingFaceConfig, inout ModelConfiguration) throws -> Void = { _, _ in }
  /// The same for a GGUF file, whose keys stand under the name of the architecture.
  public var readGGUF: @Sendable (GGUFFile, _ architecture: String, inout ModelConfiguration) throws -> Void = {
    _, _, _ in
  }
  /// The keys that `readGGUF` heeds, without the name of the architecture.
  public var ggufKeys: Set<String> = []
  /// The number that the gains of norms are stored without in safetensors.
  public var gainOffset: Float = 0
  /// Whether safetensors store the rows of each head of Q and K interleaved.
  public var interleavesRotaryRows = false
  /// The parts whose rows are stored as one tensor.
  public var joinedParts: [JoinedParts] = []
  /// Where its mixtures of experts are told; `nil` if its MLPs have none.
  public var experts: ExpertRule?
  /// Other forms of its folders, which are read.
  public var dialects: [HuggingFaceDialect] = []
  /// The classes of transformers that its networks are written for; the first that takes a network has it.
  public var huggingFaceForms: [HuggingFaceForm] = [
    .mistral, .qwen2, .llama, .ministral, .nasMistral, .nasMinistral,
  ]
  /// The architectures of llama.cpp, likewise.
  public var ggufForms: [GGUFForm] = [.qwen2, .llama, .deci]

  public var parts: Set<LayerPart> { Set(partNames.keys) }

  /// Where a sliding window is decided on.
  public enum Window: Sendable, Equatable {
    /// There is none, whatever the configuration says.
    case none
    /// `sliding_window`, in all layers.
    case allLayers
    /// `sliding_window` if `use_sliding_window` says so, in the layers of `layer_types`, else in those from
    /// `max_window_layers` on.
    case switched
    /// `sliding_window` in the layers of `layer_types`, else in all but every so many-th, by `sliding_window_pattern` or
    /// this number.
    case pattern(Int)
  }

  /// The values of the family's configuration class in transformers 5.
  public struct Defaults: Sendable, Equatable {
    public var vocabulary: Int
    public var hidden = 4096
    public var channels: Int
    public var layers = 32
    public var heads = 32
    /// nil: the hidden size over the query heads.
    public var headDimension: Int?
    /// nil: as many as query heads.
    public var kvHeads: Int?
    public var context: Int
    public var normEpsilon = 1e-6
    public var window: Int?
    /// The first layer with a window, where `layer_types` is missing.
    public var windowLayers = 0
    public var bosToken: Int32?
    public var eosTokens: [Int32] = []
    public var theta = 10_000.0
    /// The base of the rotary embedding in layers with a window; `nil` for the same as in all others.
    public var localTheta: Double?
    /// The share of a head's dimensions that is turned; `nil` for all, whatever the configuration says.
    public var turnedShare: Double?
    public var activation = Activation.silu
    public var tiedEmbeddings = false
  }

  public static let all: [Family] = [
    .llama, .mistral, .qwen2, .qwen3, .gemma2, .gemma3, .phi3, .granite, .ministral, .smollm3, .olmo2, .glm,
    .glm4, .qwen3moe, .olmoe, .mixtral, .gptoss,
  ]

  /// The names that `all` reads, for messages.
  static var supported: String {
    all.map { family in
      let names = [family.architectures[0]] + family.dialects.map { $0.architectures[0] }
      return "\(names.joined(separator: ", ")) (GGUF: \(family.ggufArchitectures.joined(separator: ", ")))"
    }
    .joined(separator: "; ")
  }
}

/// Where a family's files say what experts there are. Values for missing keys are those of its configuration class.
public struct ExpertRule: Sendable {
  /// The keys of the number of experts in a `config.json`, which mean the same. The first is written.
  public var counts: [String]
  public var perToken = "num_experts_per_tok"
  /// The key of the channels of an expert.
  public var channels: String
  /// The key that says whether a token's weights sum to one; `nil` where they always do.
  public var renormalises: String?
  public var defaults: (count: Int, perToken: Int, channels: Int)
  /// Whether llama.cpp makes a token's weights sum to one.
  public var ggufRenormalises = true
  /// Whether safetensors store the experts of a layer as one tensor of gates and ups, whose outputs alternate, and one of
  /// downs, with the inputs before the outputs. They may be in blocks of MXFP4 then.
  public var joinsGateAndUp = false
}

/// Parts of a layer whose rows, one part after another, are one tensor.
public struct JoinedParts: Sendable {
  public let parts: [LayerPart]
  /// The names of the tensor; `nil` where a format stores the parts one by one.
  public let huggingFace: String?
  public let gguf: String?

  public init(_ parts: [LayerPart], huggingFace: String? = nil, gguf: String? = nil) {
    (self.parts, self.huggingFace, self.gguf) = (parts, huggingFace, gguf)
  }
}

extension Family: Equatable {
  public static func == (a: Family, b: Family) -> Bool { a.name == b.name }
}

/// Which projections have biases, and the keys of a `config.json` that say so.
public struct BiasRule: Sendable {
  /// The projections that always have one.
  public var always: Set<LayerPart> = []
  /// The projections that have one if a key is true.
  public var keys: [String: Set<LayerPart>] = [:]
  /// The keys that stand for true where they are missing.
  public var assumed: Set<String> = []

  public static let none = BiasRule()
  /// On query, key and value always, and nowhere else.
  public static let queryKeyValue = BiasRule(always: [.query, .key, .value])
  public static let attention = BiasRule(keys: ["attention_bias": [.query, .key, .value, .output]])
  public static let configured = BiasRule(
    keys: attention.keys.merging(["mlp_bias": [.gate, .up, .down]]) { $1 })
  /// The keys of our own Python modules, which tell any biases.
  public static let any = BiasRule(keys: [
    "qkv_bias": [.query, .key, .value], "output_bias": [.output], "mlp_bias": [.gate, .up, .down],
  ])

  /// Whether biases on these projections, and zeros on others, can be told.
  public func takes(_ biases: Set<LayerPart>) -> Bool {
    always.isSubset(of: biases) && biases.isSubset(of: keys.values.reduce(always) { $0.union($1) })
  }

  /// The projections that then have biases: all that a key stands for, if one of them does.
  public func completed(_ biases: Set<LayerPart>) -> Set<LayerPart> {
    keys.values.reduce(biases) { $0.isDisjoint(with: $1) ? $0 : $0.union($1) }
  }
}

/// The names of a part's tensors within a layer, in both formats.
public struct PartName: Sendable {
  public struct Tensors: Sendable {
    public let weight: String
    public let bias: String

    public init(weight: String, bias: String) { (self.weight, self.bias) = (weight, bias) }

    /// Names that end in `.weight` and `.bias`.
    public init(_ name: String) { self.init(weight: "\(name).weight", bias: "\(name).bias") }
  }

  public let huggingFace: Tensors
  public let gguf: Tensors

  /// Names that end in `.weight` and `.bias`.
  public init(_ huggingFace: String, gguf: String) {
    self.init(Tensors(huggingFace), gguf: gguf)
  }

  /// - Parameter huggingFace: whole names.
  public init(_ huggingFace: Tensors, gguf: String) {
    self.init(huggingFace, gguf: Tensors(gguf))
  }

  /// Whole names.
  public init(_ huggingFace: Tensors, gguf: Tensors) { (self.huggingFace, self.gguf) = (huggingFace, gguf) }

  /// The norms of the heads of queries and keys.
  public static let headNorms: [LayerPart: PartName] = [
    .queryNorm: PartName("self_attn.q_norm", gguf: "attn_q_norm"),
    .keyNorm: PartName("self_attn.k_norm", gguf: "attn_k_norm"),
  ]

  /// The parts of an MLP of experts; `#` stands for an expert's number where each has a tensor of its own.
  ///
  /// - Parameters:
  ///   - module: name of the MLP in safetensors.
  ///   - names: names of gate, up and down there.
  public static func experts(_ module: String, _ names: (gate: String, up: String, down: String)) -> [LayerPart:
    PartName]
  {
    [
      .router: PartName("\(module).gate", gguf: "ffn_gate_inp"),
      .gate: PartName("\(module).experts.#.\(names.gate)", gguf: "ffn_gate_exps"),
      .up: PartName("\(module).experts.#.\(names.up)", gguf: "ffn_up_exps"),
      .down: PartName("\(module).experts.#.\(names.down)", gguf: "ffn_down_exps"),
    ]
  }

  /// The names of Llama's parts, which most families share.
  public static let common: [LayerPart: PartName] = [
    .attentionNorm: PartName("input_layernorm", gguf: "attn_norm"),
    .query: PartName("self_attn.q_proj", gguf: "attn_q"),
    .key: PartName("self_attn.k_proj", gguf: "attn_k"),
    .value: PartName("self_attn.v_proj", gguf: "attn_v"),
    .output: PartName("self_attn.o_proj", gguf: "attn_output"),
    .mlpNorm: PartName("post_attention_layernorm", gguf: "ffn_norm"),
    .gate: PartName("mlp.gate_proj", gguf: "ffn_gate"),
    .up: PartName("mlp.up_proj", gguf: "ffn_up"),
    .down: PartName("mlp.down_proj", gguf: "ffn_down"),
  ]
}
