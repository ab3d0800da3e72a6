/// A family of decoder-only models: what its checkpoints are called and where they differ from the common form.
///
/// A new family is one file with one value and one line in `Family.all`.
public struct Family: Sendable, Equatable {
  /// The name in messages and reports.
  public let name: String
  /// Entries of `architectures` in a Hugging Face `config.json`.
  public let architectures: [String]
  /// Values of `model_type` there, for files that name no architecture.
  public let modelTypes: [String]
  /// Values of `general.architecture` in GGUF files.
  public let ggufArchitectures: [String]
  /// Whether GGUF files store the rows of each head of Q and K interleaved (new row `2j` = row `j`, new row `2j + 1` =
  /// row `j + D/2`), as llama.cpp's "normal" rope wants them.
  public let ggufInterleavesRotaryRows: Bool
  /// Whether query, key and value always carry biases.
  public let queryKeyValueBias: Bool
  /// Whether `sliding_window` holds without a switch beside it.
  public let slidingWindowByDefault: Bool

  public static let all: [Family] = [.llama, .mistral, .qwen2]

  /// What `all` reads, for messages.
  static var supported: String {
    all.map { "\($0.architectures[0]) (GGUF: \($0.ggufArchitectures.joined(separator: ", ")))" }
      .joined(separator: "; ")
  }
}
