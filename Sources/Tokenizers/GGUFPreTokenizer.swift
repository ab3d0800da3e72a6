/// What the values of `tokenizer.ggml.pre` stand for.
///
/// llama.cpp normalises no text for a `gpt2` model. Where the original tokenizer does (Qwen2: NFC), so does this one,
/// because the model was trained on its ids.
enum GGUFPreTokenizer: CaseIterable {
  case gpt2, llama3, qwen2, smollm

  /// The names in GGUF files; the first is the one to write.
  var names: [String] {
    switch self {
    case .gpt2: ["gpt-2", "gpt2", "default", "phi-2", "olmo", "jais"]
    case .llama3: ["llama-bpe", "llama3", "llama-v3", "llama-3", "falcon3"]
    case .qwen2: ["qwen2", "deepseek-r1-qwen", "megrez"]
    case .smollm: ["smollm", "starcoder", "refact", "command-r", "codeshell"]
    }
  }

  init?(name: String) {
    guard let pre = Self.allCases.first(where: { $0.names.contains(name) }) else { return nil }
    self = pre
  }

  var normalizer: [NormalizerStep] { self == .qwen2 ? [.nfc] : [] }

  var steps: [PreTokenizerStep] {
    switch self {
    case .gpt2: [.byteLevel(addPrefixSpace: false, useRegex: true)]
    case .llama3: [.split(.llama3), .byteLevel(addPrefixSpace: false, useRegex: false)]
    case .qwen2: [.split(.qwen2), .byteLevel(addPrefixSpace: false, useRegex: false)]
    case .smollm: [.digits(individual: true), .byteLevel(addPrefixSpace: false, useRegex: true)]
    }
  }

  var ignoresMerges: Bool { self == .llama3 }
}
