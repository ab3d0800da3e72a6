import Checkpoints

/// Reads a `tokenizer.json`.
///
/// Source: the serialisation format of the `tokenizers` library.
struct HuggingFaceDocument {
  /// The name of the file for error messages.
  let file: String

  private static let parts = [
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
    "model",
  ]

  func unsupported(_ component: String, _ found: String?, _ supported: [String]) -> TokenizerError {
    .unsupported(file: file, component: component, found: found ?? "without a type", supported: supported)
  }

  func invalid(_ field: String, _ expected: String) -> TokenizerError {
    .invalidField(file: file, field: field, expected: expected)
  }

  func tokenizer(_ json: JSONValue, _ vocabulary: HuggingFaceVocabulary) throws -> TokenizerDefinition {
    let model = json["model"] ?? .null
    var definition = TokenizerDefinition()
    definition.normalizer = try normalizer(json["normalizer"])
    definition.preTokenizer = try preTokenizer(json["pre_tokenizer"])
    definition.decoder = try decoder(json["decoder"])
    try vocabulary.write(into: &definition, file: file)
    try readOptions(model, into: &definition)
    try readMerges(model, into: &definition)
    if let unknown = model["unk_token"]?.string {
      definition.unknownToken = definition.id(of: unknown.utf8)
      definition.unknownSymbol = definition.modelId(of: unknown.utf8)
      // The library looks for the token when a text needs it.
      guard definition.unknownSymbol != nil || definition.knowsEveryText else {
        throw invalid("model.unk_token", "a token of the vocabulary, not \(unknown)")
      }
    }
    (definition.prefix, definition.suffix) = try postProcessor(json["post_processor"])
    return definition
  }

  private func readOptions(_ model: JSONValue, into definition: inout TokenizerDefinition) throws {
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = model[name]?.string, !affix.isEmpty {
        throw unsupported("model.\(name)", "\"\(affix)\"", ["none"])
      }
    }
    if let dropout = model["dropout"], dropout != .null {
      guard let number = dropout.double else { throw invalid("model.dropout", "a number or null") }
      guard number == 0 else { throw unsupported("model.dropout", "\(number)", ["none"]) }
    }
    func flag(_ name: String) throws -> Bool {
      guard let value = model[name], value != .null else { return false }
      guard let flag = value.bool else { throw invalid("model.\(name)", "true or false") }
      return flag
    }
    definition.byteFallback = try flag("byte_fallback")
    definition.fusesUnknown = try flag("fuse_unk")
    definition.ignoresMerges = try flag("ignore_merges")
    if definition.byteFallback, definition.isByteLevel {
      // A model with a symbol for every byte needs no fallback.
      definition.byteFallback = !definition.knowsEveryText
    }
    if definition.byteFallback, definition.isByteLevel {
      throw unsupported("model.byte_fallback", "with a ByteLevel pre-tokenizer that lacks bytes", ["false"])
    }
  }

  /// - Returns: also the ids that the file writes beside its added tokens.
  func vocabulary(_ json: JSONValue) throws -> (HuggingFaceVocabulary, writtenIds: Set<Int32>) {
    if let part = json.members?.first(where: { !Self.parts.contains($0.key) })?.key {
      throw unsupported("part", part, Self.parts)
    }
    if let version = json["version"], version.string != "1.0" {
      throw invalid("version", "\"1.0\", the only one there is")
    }
    guard let model = json["model"], model.members != nil else { throw invalid("model", "an object") }
    // Files of before 2021 name no type; only BPE has merges.
    let type = model["type"]?.string ?? (model["merges"] == nil ? "without a type" : "BPE")
    guard type == "BPE" else { throw unsupported("tokenizer model", type, ["BPE"]) }
    guard let members = model["vocab"]?.members else { throw invalid("model.vocab", "an object of token to id") }
    var result = HuggingFaceVocabulary()
    for member in members {
      guard let id = member.value.id else { throw invalid("model.vocab.\(member.key)", "a token id") }
      guard Int(id) < HuggingFaceVocabulary.limit(tokens: members.count) else {
        throw TokenizerError.invalidVocabulary(
          file: file, reason: "one token has id \(id), but there are \(members.count)")
      }
      result.insert(member.key.utf8, id)
    }
    let tokens = try (json["added_tokens"]?.array ?? []).enumerated().map { index, entry in
      guard let id = entry["id"]?.id, entry["content"]?.string != nil else {
        throw invalid("added_tokens[\(index)]", "an object with id and content")
      }
      return AddedToken(entry, id: id, normalized: true)
    }
    result.add(tokens)
    return (result, Set(tokens.map(\.id)))
  }

  private func readMerges(_ model: JSONValue, into definition: inout TokenizerDefinition) throws {
    guard let merges = model["merges"]?.array else { throw invalid("model.merges", "an array") }
    definition.merges.reserveCapacity(merges.count)
    let areTexts = merges.first?.string != nil
    // Old files have the first line of merges.txt.
    for (index, value) in merges.lazy.filter({ !($0.string?.hasPrefix("#version") ?? false) }).enumerated() {
      func wrong(_ reason: String) -> TokenizerError { .invalidMerge(file: file, index: index, reason: reason) }
      guard (value.string != nil) == areTexts else {
        throw wrong("expected \(areTexts ? "\"left right\"" : "a pair") like the first")
      }
      let left: Substring.UTF8View
      let right: Substring.UTF8View
      if let text = value.string {
        let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw wrong("expected two tokens, not \"\(text)\"") }
        (left, right) = (parts[0], parts[1])
      } else if let pair = value.array, pair.count == 2, let first = pair[0].string, let second = pair[1].string {
        (left, right) = (first[...].utf8, second[...].utf8)
      } else {
        throw wrong("expected \"left right\" or [\"left\", \"right\"]")
      }
      definition.merges.append(
        try definition.merge(left, right, rank: Int32(clamping: index), file: file, index: index))
    }
  }
}

extension JSONValue {
  /// The number as a token id: an integer from 0 to Int32.max.
  var id: Int32? { integer.flatMap { Int32(exactly: $0) }.flatMap { $0 >= 0 ? $0 : nil } }
}

extension TokenizerDefinition {
  /// The merge of two tokens by their texts.
  ///
  /// - Throws: `TokenizerError.invalidMerge` if one of them or their concatenation is no token.
  func merge(
    _ left: some Collection<UInt8>, _ right: some Collection<UInt8>, rank: Int32, file: String, index: Int
  ) throws -> Merge {
    func id(_ text: some Collection<UInt8>) throws -> Int32 {
      if let id = modelId(of: text) { return id }
      let text = String(decoding: text, as: UTF8.self)
      throw TokenizerError.invalidMerge(file: file, index: index, reason: "\"\(text)\" is not in the vocabulary")
    }
    return Merge(left: try id(left), right: try id(right), result: try id(Array(left) + Array(right)), rank: rank)
  }
}
