import Checkpoints

/// The tokens that `transformers` adds to those of `tokenizer.json` when it opens a folder, and the names of the
/// special ones.
///
/// `added_tokens_decoder` of `tokenizer_config.json` comes first. Only if the configuration lacks it,
/// `special_tokens_map.json` (which then overrides the configuration) and `added_tokens.json` are read. Named special
/// tokens that are not added tokens yet become such.
///
/// Source: `transformers` 5, `PreTrainedTokenizerBase._from_pretrained` and `TokenizersBackend`.
struct HuggingFaceSpecialTokens {
  /// The added tokens, in order.
  private(set) var additions: [AddedToken] = []
  /// The special tokens by name, such as `bos_token`.
  private(set) var named: [String: [UInt8]] = [:]

  private static let names = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// - Parameters:
  ///   - configuration, map, addedFile: the three JSON files beside `tokenizer.json`; nil for a missing one.
  ///   - vocabulary: the tokens of `tokenizer.json`; its added tokens have the ids `writtenIds` in the file.
  ///   - padding: the member of this name in `tokenizer.json`.
  init(
    configuration: JSONValue?, map: JSONValue?, addedFile: (json: JSONValue, path: String)?, path: String,
    vocabulary: HuggingFaceVocabulary, writtenIds: Set<Int32>, padding: JSONValue?
  ) throws {
    let decoder = configuration?["added_tokens_decoder"]
    let members = configuration?.members ?? []
    let overriding = decoder == nil ? map?.members ?? [] : []
    let values = (padding?["pad_token"].map { [JSONMember(key: "pad_token", value: $0)] } ?? []) + members + overriding
    /// Special tokens in the order in which they are added: the usual names, other names, then tokens without a name.
    var specials = Self.names.compactMap { name in Self.last(name, in: values).map { (name: name, value: $0) } }
    for member in values where member.key.hasSuffix("_token") && !Self.names.contains(member.key) {
      if member.value.string != nil { specials.append((member.key, member.value)) }
    }
    for name in ["extra_special_tokens", "additional_special_tokens"] {
      let list = Self.last(name, in: values)
      specials += list?.members?.map { (name: $0.key, value: $0.value) } ?? []
      specials += list?.array?.map { (name: "", value: $0) } ?? []
    }
    var described = try Self.described(decoder, path: path)
    if decoder == nil, let addedFile {
      // Tokens without a name are special in this file if the configuration lists them, not if the map does.
      let lists = [Self.last("extra_special_tokens", in: values), Self.last("additional_special_tokens", in: members)]
      let texts = Self.names.compactMap { Self.last($0, in: values) } + lists.flatMap { $0?.array ?? [] }
      // If both files have an id, tokenizer.json decides.
      described = try Self.described(addedFile, specials: texts.compactMap { Self.text($0) })
        .filter { !writtenIds.contains($0.id) }
    }
    additions = described.filter { !(vocabulary.addedToken($0.content)?.isSame($0) ?? false) }
    for (name, value) in specials {
      guard let text = Self.text(value) else { continue }
      if Self.names.contains(name) { named[name] = text }
      guard !vocabulary.isAdded(text), !additions.contains(where: { $0.content == text }) else { continue }
      additions.append(AddedToken(value, id: 0, special: true))
    }
    let namedTexts = Set(named.values)
    for index in additions.indices where namedTexts.contains(additions[index].content) {
      additions[index].special = true
    }
  }

  private static func last(_ name: String, in members: [JSONMember]) -> JSONValue? {
    members.last { $0.key == name }.flatMap { $0.value == .null ? nil : $0.value }
  }

  fileprivate static func text(_ value: JSONValue) -> [UInt8]? {
    let text = value.string ?? value["content"]?.string
    return text.flatMap { $0.isEmpty ? nil : Array($0.utf8) }
  }

  /// The tokens of `added_tokens_decoder`, in the order of their ids.
  private static func described(_ decoder: JSONValue?, path: String) throws -> [AddedToken] {
    try (decoder?.members ?? []).map { member in
      guard let id = Int32(member.key), member.value["content"]?.string != nil else {
        throw TokenizerError.invalidField(
          file: path, field: "added_tokens_decoder.\(member.key)", expected: "an id, and an object with content")
      }
      return AddedToken(member.value, id: id)
    }.sorted { $0.id < $1.id }
  }

  /// The tokens of `added_tokens.json`, an object of text to id, in the order of their ids.
  private static func described(
    _ file: (json: JSONValue, path: String), specials: [[UInt8]]
  ) throws -> [AddedToken] {
    try (file.json.members ?? []).map { member in
      guard let id = member.value.id else {
        throw TokenizerError.invalidField(file: file.path, field: member.key, expected: "a token id")
      }
      return AddedToken(.string(member.key), id: id, special: specials.contains(Array(member.key.utf8)))
    }.sorted { $0.id < $1.id }
  }
}

extension AddedToken {
  /// Reads a string, or an object with `content` and flags; `special` and `normalized` are those of an absent flag.
  init(_ value: JSONValue, id: Int32, special: Bool = false, normalized: Bool? = nil) {
    let special = value["special"]?.bool ?? special
    self.init(
      id: id, content: HuggingFaceSpecialTokens.text(value) ?? [], singleWord: value["single_word"]?.bool ?? false,
      stripsLeft: value["lstrip"]?.bool ?? false, stripsRight: value["rstrip"]?.bool ?? false,
      normalized: value["normalized"]?.bool ?? normalized ?? !special, special: special)
  }

  /// Whether all but the ids are equal.
  fileprivate func isSame(_ other: AddedToken) -> Bool {
    var other = other
    other.id = id
    return self == other
  }
}
