import Checkpoints
import Foundation

/// Reads a tokenizer from the JSON files of a Hugging Face folder.
enum HuggingFaceReader {
  private static let main = "tokenizer.json"
  private static let configuration = "tokenizer_config.json"
  private static let map = "special_tokens_map.json"
  private static let added = "added_tokens.json"
  private static let template = "chat_template.jinja"
  /// The files that belong to the tokenizer; only the first is required.
  static let fileNames = [main, configuration, map, added, template]
  /// The members of `tokenizer.json`.
  private static let parts = [
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
    "model",
  ]
  /// Files in the place of `tokenizer.json` that only other programs read.
  private static let otherTokenizers = ["tokenizer.model", "vocab.json", "tekken.json", "tiktoken.model"]

  /// The tokenizer's files in `directory`, by name.
  static func files(in directory: URL) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in fileNames {
      let url = directory.appendingPathComponent(name)
      guard FileManager.default.fileExists(atPath: url.path) else { continue }
      do {
        files[name] = try Data(contentsOf: url)
      } catch {
        throw TokenizerError.unreadableFile(path: url.path, reason: error.localizedDescription)
      }
      let kind = files[name]?.withUnsafeBytes { FileKind($0) }
      if let kind, kind != .utf8Mark {
        throw CheckpointError.otherKind(kind, path: url.path, expected: "a part of a tokenizer")
      }
    }
    if files[main] == nil {
      let other = otherTokenizers.first {
        FileManager.default.fileExists(atPath: directory.appendingPathComponent($0).path)
      }
      throw TokenizerError.missingFile(
        path: directory.appendingPathComponent(main).path,
        advice: other.map {
          "there is \($0), from which transformers makes it: python -c \"from transformers import AutoTokenizer as T; "
            + "T.from_pretrained('\(directory.path)').save_pretrained('\(directory.path)')\""
        })
    }
    return files
  }

  /// - Parameter folder: the path that error messages put before the names of the files.
  static func definition(from files: [String: Data], folder: String) throws -> TokenizerDefinition {
    func path(_ name: String) -> String { (folder as NSString).appendingPathComponent(name) }
    func object(_ name: String) throws -> JSONValue? {
      guard let data = files[name] else { return nil }
      let value = try data.withUnsafeBytes { try JSONValue.parse($0, file: path(name), dialect: .ordered) }
      guard value.members != nil else {
        throw TokenizerError.invalidField(file: path(name), field: "the document", expected: "an object")
      }
      return value
    }
    guard let json = try object(main) else { throw TokenizerError.missingFile(path: path(main)) }
    let configuration = try object(configuration)
    var vocabulary = HuggingFaceVocabulary()
    let written = try readVocabulary(json, file: path(main), into: &vocabulary)
    let special = try HuggingFaceSpecialTokens(
      configuration: configuration, map: try object(map), addedFile: try object(added).map { ($0, path(added)) },
      path: path(self.configuration), vocabulary: vocabulary, writtenIds: written, padding: json["padding"])
    vocabulary.add(special.additions)

    var definition = try tokenizer(json, vocabulary, file: path(main))
    func token(_ name: String) -> Int32? { special.named[name].flatMap { definition.id(of: $0) } }
    definition.bosToken = token("bos_token") ?? definition.prefix.first
    definition.eosToken = token("eos_token") ?? definition.suffix.last
    definition.paddingToken = token("pad_token")
    definition.unknownToken = token("unk_token") ?? definition.unknownToken
    definition.splitsSpecialTokens = configuration?["split_special_tokens"]?.bool ?? false
    definition.chatTemplate =
      files[template].map { String(decoding: $0, as: UTF8.self) } ?? chatTemplate(configuration?["chat_template"])
    return definition
  }

  // MARK: tokenizer.json

  private static func tokenizer(
    _ json: JSONValue, _ vocabulary: HuggingFaceVocabulary, file: String
  ) throws -> TokenizerDefinition {
    let components = HuggingFaceComponents(file: file)
    let model = json["model"] ?? .null
    var definition = TokenizerDefinition()
    definition.normalizer = try components.normalizer(json["normalizer"])
    definition.preTokenizer = try components.preTokenizer(json["pre_tokenizer"])
    definition.decoder = try components.decoder(json["decoder"])
    try vocabulary.write(into: &definition, file: file)
    try readOptions(model, file: file, into: &definition)
    try readMerges(model, file: file, into: &definition)
    try readUnknown(model, file: file, into: &definition)
    (definition.prefix, definition.suffix) = try components.postProcessor(json["post_processor"])
    return definition
  }

  private static func readUnknown(_ model: JSONValue, file: String, into definition: inout TokenizerDefinition) throws {
    guard let unknown = model["unk_token"]?.string else { return }
    definition.unknownToken = definition.id(of: unknown.utf8)
    definition.unknownSymbol = definition.modelId(of: unknown.utf8)
    // The library looks for the token when a text needs it.
    guard definition.unknownSymbol != nil || definition.knowsEveryText else {
      throw TokenizerError.invalidField(
        file: file, field: "model.unk_token", expected: "a token of the vocabulary, not \(unknown)")
    }
  }

  private static func readOptions(_ model: JSONValue, file: String, into definition: inout TokenizerDefinition) throws {
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = model[name]?.string, !affix.isEmpty {
        throw TokenizerError.unsupported(
          file: file, component: "model.\(name)", found: "\"\(affix)\"", supported: ["none"])
      }
    }
    if let dropout = model["dropout"], dropout != .null {
      guard let number = dropout.double else {
        throw TokenizerError.invalidField(file: file, field: "model.dropout", expected: "a number or null")
      }
      guard number == 0 else {
        throw TokenizerError.unsupported(
          file: file, component: "model.dropout", found: "\(number)", supported: ["none"])
      }
    }
    func flag(_ name: String) throws -> Bool {
      guard let value = model[name], value != .null else { return false }
      guard let flag = value.bool else {
        throw TokenizerError.invalidField(file: file, field: "model.\(name)", expected: "true or false")
      }
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
      throw TokenizerError.unsupported(
        file: file, component: "model.byte_fallback", found: "with a ByteLevel pre-tokenizer that lacks bytes",
        supported: ["false"])
    }
  }

  /// - Returns: the ids that the file writes beside its added tokens.
  private static func readVocabulary(
    _ json: JSONValue, file: String, into result: inout HuggingFaceVocabulary
  ) throws -> Set<Int32> {
    if let part = json.members?.first(where: { !parts.contains($0.key) })?.key {
      throw TokenizerError.unsupported(file: file, component: "part", found: part, supported: parts)
    }
    if let version = json["version"], version.string != "1.0" {
      throw TokenizerError.invalidField(file: file, field: "version", expected: "\"1.0\", the only one there is")
    }
    guard let model = json["model"], model.members != nil else {
      throw TokenizerError.invalidField(file: file, field: "model", expected: "an object")
    }
    // Files of before 2021 name no type; only BPE has merges.
    let type = model["type"]?.string ?? (model["merges"] == nil ? "without a type" : "BPE")
    guard type == "BPE" else {
      throw TokenizerError.unsupported(file: file, component: "tokenizer model", found: type, supported: ["BPE"])
    }
    guard let vocabulary = model["vocab"]?.members else {
      throw TokenizerError.invalidField(file: file, field: "model.vocab", expected: "an object of token to id")
    }
    for member in vocabulary {
      guard let id = member.value.id else {
        throw TokenizerError.invalidField(file: file, field: "model.vocab.\(member.key)", expected: "a token id")
      }
      guard Int(id) < HuggingFaceVocabulary.limit(tokens: vocabulary.count) else {
        throw TokenizerError.invalidVocabulary(
          file: file, reason: "one token has id \(id), but there are \(vocabulary.count)")
      }
      result.insert(member.key.utf8, id)
    }
    var written: Set<Int32> = []
    var tokens: [AddedToken] = []
    for (index, entry) in (json["added_tokens"]?.array ?? []).enumerated() {
      guard let id = entry["id"]?.id, let content = entry["content"]?.string else {
        throw TokenizerError.invalidField(
          file: file, field: "added_tokens[\(index)]", expected: "an object with id and content")
      }
      written.insert(id)
      tokens.append(
        AddedToken(
          id: id, content: Array(content.utf8), singleWord: entry["single_word"]?.bool ?? false,
          stripsLeft: entry["lstrip"]?.bool ?? false, stripsRight: entry["rstrip"]?.bool ?? false,
          normalized: entry["normalized"]?.bool ?? true, special: entry["special"]?.bool ?? false))
    }
    result.add(tokens)
    return written
  }

  private static func readMerges(_ model: JSONValue, file: String, into definition: inout TokenizerDefinition) throws {
    guard let merges = model["merges"]?.array else {
      throw TokenizerError.invalidField(file: file, field: "model.merges", expected: "an array")
    }
    definition.merges.reserveCapacity(merges.count)
    let areTexts = merges.first?.string != nil
    var index = -1
    for value in merges {
      // Old files have the first line of merges.txt.
      if let text = value.string, text.hasPrefix("#version") { continue }
      index += 1
      guard (value.string != nil) == areTexts else {
        throw TokenizerError.invalidMerge(
          file: file, index: index, reason: "expected \(areTexts ? "\"left right\"" : "a pair") like the first")
      }
      let left: Substring.UTF8View
      let right: Substring.UTF8View
      if let text = value.string {
        let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
          throw TokenizerError.invalidMerge(file: file, index: index, reason: "expected two tokens, not \"\(text)\"")
        }
        (left, right) = (parts[0], parts[1])
      } else if let pair = value.array, pair.count == 2, let first = pair[0].string, let second = pair[1].string {
        (left, right) = (first[...].utf8, second[...].utf8)
      } else {
        throw TokenizerError.invalidMerge(
          file: file, index: index, reason: "expected \"left right\" or [\"left\", \"right\"]")
      }
      definition.merges.append(
        try definition.merge(left, right, rank: Int32(clamping: index), file: file, index: index))
    }
  }

  /// A template as it is, or the one named "default" of a list of templates.
  private static func chatTemplate(_ json: JSONValue?) -> String? {
    if let template = json?.string { return template }
    let named = json?.array ?? []
    return (named.first { $0["name"]?.string == "default" } ?? named.first)?["template"]?.string
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
