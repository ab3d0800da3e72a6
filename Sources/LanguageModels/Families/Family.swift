/// A family of decoder-only models: what its checkpoints are called and where they differ from the common form.
///
/// A new family is one file with one value and one line in `Family.all`.
public struct Family: Sendable, Equatable {
  /// The name in messages and reports.
  public let name: String
  /// Entries of `architectures` in a Hugging Face `config.json`.
  public let architectures: [String]
  /// Values of `model_type` there.
  public let modelTypes: [String]
  /// Values of `general.architecture` in GGUF files.
  public let ggufArchitectures: [String]
  /// Whether GGUF files store the rows of each head of Q and K interleaved (new row `2j` = row `j`, new row `2j + 1` =
  /// row `j + D/2`), as llama.cpp's "normal" rope wants them.
  public let ggufInterleavesRotaryRows: Bool
  /// The parts of a layer, where it has attention and MLP.
  public var parts = BlockDescription.standardParts
  /// Which projections have biases.
  public let biases: Biases
  /// Which layers see a sliding window only.
  public let window: Window
  /// What stands for keys that a `config.json` lacks.
  public let defaults: Defaults

  /// Who decides on biases.
  public enum Biases: Sendable, Equatable {
    /// There are none.
    case none
    /// Always on query, key and value, and nowhere else.
    case queryKeyValue
    /// `attention_bias` (query, key, value and output) of the configuration.
    case attention
    /// The same, and `mlp_bias` (gate, up and down).
    case configured
  }

  /// Who decides on a sliding window.
  public enum Window: Sendable, Equatable {
    /// There is none, whatever the configuration says.
    case none
    /// `sliding_window`, in all layers.
    case allLayers
    /// `sliding_window` if `use_sliding_window` says so, in the layers of `layer_types`, else in those from
    /// `max_window_layers` on.
    case switched
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
    public var eosToken: Int32?
  }

  public static let all: [Family] = [.llama, .mistral, .qwen2]

  /// What `all` reads, for messages.
  static var supported: String {
    all.map { "\($0.architectures[0]) (GGUF: \($0.ggufArchitectures.joined(separator: ", ")))" }
      .joined(separator: "; ")
  }
}
