import Checkpoints
import Tokenizers

/// A tokenizer that gives every byte a token of its own, and one more to a space before a t: GGUF has no BPE without
/// merges. In the form of `tokenizer.json`, with the pre-tokenizer of GPT-2.
enum SyntheticTokenizer {
  static let size = 257

  static var file: JSONValue {
    let characters = ByteAlphabet.scalars.map(String.init)
    let (space, letter) = (characters[0x20], characters[0x74])
    var vocabulary: [String: JSONValue] = [space + letter: .integer(characters.count)]
    for (byte, character) in characters.enumerated() { vocabulary[character] = .integer(byte) }
    let byteLevel: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    return [
      "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": [], "normalizer": .null,
      "pre_tokenizer": byteLevel, "post_processor": .null, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
        "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": .object(vocabulary), "merges": [[.string(space), .string(letter)]],
      ],
    ]
  }
}
