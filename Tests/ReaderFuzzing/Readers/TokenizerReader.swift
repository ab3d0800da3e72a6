import Checkpoints
import Foundation
import Tokenizers

extension FuzzedReader {
  /// A `tokenizer.json`, and behind marks a `tokenizer_config.json` and a `special_tokens_map.json`; then texts in and out.
  static let tokenizer = FuzzedReader(
    "tokenizer", .text,
    // A file of another kind is named as in every reader.
    isRefusal: { $0 is TokenizerError || $0 is CheckpointError },
    read: { input in
      for name in fileNames { folder.remove(name) }
      for (name, part) in zip(fileNames, parts(of: input)) { try folder.write(part, to: name) }
      let tokenizer = try Tokenizer(directory: folder.url)
      try checkEncoding(tokenizer)
      try checkCanonicalForm(of: tokenizer)
    })

  private static let folder = InputFolder("tokenizer")
  private static let canonicalFolder = InputFolder("canonical")
  private static let fileNames = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]

  /// The canonical form is a `tokenizer.json` of the same tokenizer.
  private static func checkCanonicalForm(of tokenizer: Tokenizer) throws {
    let canonical = tokenizer.canonicalBytes()
    try canonicalFolder.write(canonical, to: "tokenizer.json")
    let again: Tokenizer
    do {
      again = try Tokenizer(directory: canonicalFolder.url)
    } catch {
      throw Violation("its canonical form is refused: \(error)")
    }
    try Violation.require(again.canonicalBytes() == canonical, "its canonical form has another canonical form")
    for text in encodedTexts {
      try Violation.require(
        again.encode(text, addSpecialTokens: true) == tokenizer.encode(text, addSpecialTokens: true),
        "its canonical form encodes \(text.debugDescription) to other ids")
    }
  }
}

private let encodedTexts = [
  "", " a", "Hello, world  12345\n\n\tné e\u{301} ▁<s>", "\u{0}\u{1F600}\u{FFFD} <|end|></s>x",
]

/// Encodes and decodes some texts: every id is one of the vocabulary's, but for those that a template puts around a text, which are
/// taken as the file says, as `tokenizers` takes them.
func checkEncoding(_ tokenizer: Tokenizer) throws {
  for text in encodedTexts {
    for special in [true, false] {
      let ids = tokenizer.encode(text, addSpecialTokens: special, parseSpecial: special)
      try Violation.require(
        ids.allSatisfy { $0 >= 0 && (special || Int($0) < tokenizer.vocabularySize) },
        "\(text.debugDescription) gave ids outside the vocabulary of \(tokenizer.vocabularySize): \(ids)")
      _ = tokenizer.decode(ids, skipSpecialTokens: special)
    }
  }
  _ = tokenizer.decode([-1, 0, 1, 2, .max], skipSpecialTokens: false)
  do {
    _ = try tokenizer.ggufVocabulary()
  } catch is TokenizerError {}
}
