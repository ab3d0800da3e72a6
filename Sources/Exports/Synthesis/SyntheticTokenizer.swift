import Checkpoints
import Tokenizers

/// A tokenizer that gives every byte a token of its own, in the form of `tokenizer.json`.
enum SyntheticTokenizer {
  /// One token a byte.
  static let size = 256

  static var file: JSONValue {
    var vocabulary: [String: JSONValue] = [:]
    for (byte, character) in ByteAlphabet.scalars.enumerated() { vocabulary[String(character)] = .integer(byte) }
    let byteLevel: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false,
    ]
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": [], "normalizer": .null,
      "pre_tokenizer": byteLevel, "post_processor": .null, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": .object(vocabulary), "merges": [],
      ],
    ]
  }
}
