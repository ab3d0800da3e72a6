/// The meanings of the values of `tokenizer.ggml.pre`.
///
/// llama.cpp normalises no text for a `gpt2` model. If the original tokenizer does (Qwen2: NFC), this one does too,
/// because the model was trained on its ids. llama.cpp divides characters by the tables of Unicode 15; this one uses
/// those of `tokenizers`, Unicode 16.
///
/// Source: the loader of llama.cpp's vocabularies, whose ids `Tests/TokenizersTests/make_gguf_fixtures.py` records for
/// every name.
enum GGUFPreTokenizer: CaseIterable {
  case gpt2, llama3, llama3Merging, qwen2, smollm, unnamed

  /// The names in GGUF files; the first is the one to write.
  var names: [String] {
    switch self {
    case .gpt2:
      [
        "gpt-2", "gpt2", "phi-2", "olmo", "jais", "mpt", "exaone4", "gigachat", "mellum", "trillion", "granite-docling",
        "a.x-4.0",
      ]
    case .llama3: ["llama-bpe", "llama3", "llama-v3", "llama-3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"]
    case .llama3Merging: ["smaug-bpe", "dbrx"]
    case .qwen2: ["qwen2", "deepseek-r1-qwen", "megrez"]
    case .smollm: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"]
    case .unnamed: ["default"]
    }
  }

  /// - Parameter name: name in the file; nil if the file gives none.
  init?(name: String?) {
    let name = name ?? ""
    guard let pre = Self.allCases.first(where: { $0.names.contains(name.isEmpty ? "default" : name) }) else {
      return nil
    }
    self = pre
  }

  var normalizer: [NormalizerStep] { self == .qwen2 ? [.nfc] : [] }

  var steps: [PreTokenizerStep] {
    switch self {
    case .gpt2: [.byteLevel(addPrefixSpace: false, useRegex: true)]
    case .llama3, .llama3Merging: [.split(.llama3), .byteLevel(addPrefixSpace: false, useRegex: false)]
    case .qwen2: [.split(.qwen2), .byteLevel(addPrefixSpace: false, useRegex: false)]
    case .smollm: [.digits(individual: true), .byteLevel(addPrefixSpace: false, useRegex: true)]
    case .unnamed:
      [
        .isolate(.punctuation), .split(.gpt2), .isolate(.numbers), .isolate(.threeDigits),
        .byteLevel(addPrefixSpace: false, useRegex: false),
      ]
    }
  }

  var ignoresMerges: Bool { self == .llama3 }
  /// Whether a text begins with BOS if the file does not say so.
  var addsBOS: Bool { self == .llama3 }
}
