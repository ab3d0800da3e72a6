import Foundation

/// Reads a tokenizer from the JSON files of a Hugging Face folder.
enum HuggingFaceReader {
  /// The files that belong to the tokenizer; only the first is required.
  static let fileNames = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]

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
    }
    if files[fileNames[0]] == nil {
      throw TokenizerError.missingFile(path: directory.appendingPathComponent(fileNames[0]).path)
    }
    return files
  }

  /// - Parameter folder: the path that error messages put before the names of the files.
  static func definition(from files: [String: Data], folder: String) throws -> TokenizerDefinition {
    func path(_ name: String) -> String { (folder as NSString).appendingPathComponent(name) }
    func parse(_ name: String) throws -> JSONValue? {
      try files[name].map { try JSONReader.parse($0, file: path(name)) }
    }
    guard let json = try parse(fileNames[0]) else { throw TokenizerError.missingFile(path: path(fileNames[0])) }
    var definition = try tokenizer(json, file: path(fileNames[0]))
    let configuration = try parse(fileNames[1])
    let map = try parse(fileNames[2])
    try applyConfiguration(configuration, map, file: path(fileNames[1]), to: &definition)
    if let template = files[fileNames[3]] {
      definition.chatTemplate = String(decoding: template, as: UTF8.self)
    }
    return definition
  }

  // MARK: tokenizer.json

  private static func tokenizer(_ json: JSONValue, file: String) throws -> TokenizerDefinition {
    let components = HuggingFaceComponents(file: file)
    guard let model = json["model"], model.members != nil else {
      throw TokenizerError.invalidField(file: file, field: "model", expected: "an object")
    }
    // Files of before 2021 name no type; only BPE has merges.
    let type = model["type"]?.text ?? (model["merges"] == nil ? "without a type" : "BPE")
    guard type == "BPE" else {
      throw TokenizerError.unsupported(file: file, component: "tokenizer model", found: type, supported: ["BPE"])
    }
    var definition = TokenizerDefinition()
    definition.normalizer = try components.normalizer(json["normalizer"])
    definition.preTokenizer = try components.preTokenizer(json["pre_tokenizer"])
    definition.decoder = try components.decoder(json["decoder"])
    try readOptions(model, file: file, into: &definition)
    try readVocabulary(model, added: json["added_tokens"], file: file, into: &definition)
    try readMerges(model, file: file, into: &definition)
    if let unknown = model["unk_token"]?.text {
      guard let id = definition.tokens.index(of: unknown.utf8) else {
        throw TokenizerError.invalidField(
          file: file, field: "model.unk_token", expected: "a token of the vocabulary, not \(unknown)")
      }
      definition.unknownSymbol = Int32(id)
      definition.unknownToken = Int32(id)
    }
    (definition.prefix, definition.suffix) = try components.postProcessor(json["post_processor"])
    for id in definition.prefix + definition.suffix where Int(id) >= definition.tokens.count {
      throw TokenizerError.invalidVocabulary(
        file: file, reason: "post_processor names id \(id), but there are \(definition.tokens.count) tokens")
    }
    return definition
  }

  private static func readOptions(_ model: JSONValue, file: String, into definition: inout TokenizerDefinition) throws {
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = model[name]?.text, !affix.isEmpty {
        throw TokenizerError.unsupported(
          file: file, component: "model.\(name)", found: "\"\(affix)\"", supported: ["none"])
      }
    }
    if case .number(let dropout) = model["dropout"], dropout != 0 {
      throw TokenizerError.unsupported(
        file: file, component: "model.dropout", found: "\(dropout)", supported: ["none"])
    }
    definition.byteFallback = model["byte_fallback"]?.flag ?? false
    definition.fusesUnknown = model["fuse_unk"]?.flag ?? false
    definition.ignoresMerges = model["ignore_merges"]?.flag ?? false
    if definition.byteFallback, definition.isByteLevel {
      throw TokenizerError.unsupported(
        file: file, component: "model.byte_fallback", found: "with a ByteLevel pre-tokenizer", supported: ["false"])
    }
  }

  private static func readVocabulary(
    _ model: JSONValue, added: JSONValue?, file: String, into definition: inout TokenizerDefinition
  ) throws {
    guard let vocabulary = model["vocab"]?.members else {
      throw TokenizerError.invalidField(file: file, field: "model.vocab", expected: "an object of token to id")
    }
    let addedEntries = added?.elements ?? []
    let capacity = vocabulary.count + addedEntries.count
    /// The text of every id; an id may not lie beyond the number of entries, so a gap is found below.
    var texts = [String?](repeating: nil, count: capacity)
    func place(_ text: String, _ id: Int32) throws {
      guard Int(id) < capacity else {
        throw TokenizerError.invalidVocabulary(
          file: file, reason: "token \"\(text)\" has id \(id), but there are at most \(capacity) tokens")
      }
      if let other = texts[Int(id)], !other.utf8.elementsEqual(text.utf8) {
        throw TokenizerError.invalidVocabulary(
          file: file, reason: "id \(id) stands for both \"\(other)\" and \"\(text)\"")
      }
      texts[Int(id)] = text
    }
    for (token, value) in vocabulary {
      guard let id = value.id else {
        throw TokenizerError.invalidField(file: file, field: "model.vocab.\(token)", expected: "a token id")
      }
      try place(token, id)
    }
    for (index, entry) in addedEntries.enumerated() {
      guard let id = entry["id"]?.id, let content = entry["content"]?.text else {
        throw TokenizerError.invalidField(
          file: file, field: "added_tokens[\(index)]", expected: "an object with id and content")
      }
      let isNew = Int(id) < capacity && texts[Int(id)] == nil
      try place(content, id)
      if content.isEmpty { continue }
      if isNew { definition.addedOnly.insert(id) }
      definition.addedTokens.append(
        AddedToken(
          id: id, content: Array(content.utf8), singleWord: entry["single_word"]?.flag ?? false,
          stripsLeft: entry["lstrip"]?.flag ?? false, stripsRight: entry["rstrip"]?.flag ?? false,
          normalized: entry["normalized"]?.flag ?? true, special: entry["special"]?.flag ?? false))
    }
    let count = texts.lastIndex { $0 != nil }.map { $0 + 1 } ?? 0
    guard count > 0 else { throw TokenizerError.invalidVocabulary(file: file, reason: "it is empty") }
    for id in 0..<count {
      guard let text = texts[id] else {
        throw TokenizerError.invalidVocabulary(file: file, reason: "no token has id \(id), but one has id \(count - 1)")
      }
      if let other = definition.tokens.append(text.utf8) {
        throw TokenizerError.invalidVocabulary(file: file, reason: "token \"\(text)\" has the ids \(other) and \(id)")
      }
    }
  }

  private static func readMerges(_ model: JSONValue, file: String, into definition: inout TokenizerDefinition) throws {
    guard let merges = model["merges"]?.elements else {
      throw TokenizerError.invalidField(file: file, field: "model.merges", expected: "an array")
    }
    definition.merges.reserveCapacity(merges.count)
    for (index, value) in merges.enumerated() {
      let left: Substring.UTF8View
      let right: Substring.UTF8View
      if let text = value.text {
        let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
          throw TokenizerError.invalidMerge(file: file, index: index, reason: "expected two tokens, not \"\(text)\"")
        }
        (left, right) = (parts[0], parts[1])
      } else if let pair = value.elements, pair.count == 2, let first = pair[0].text, let second = pair[1].text {
        (left, right) = (first[...].utf8, second[...].utf8)
      } else {
        throw TokenizerError.invalidMerge(
          file: file, index: index, reason: "expected \"left right\" or [\"left\", \"right\"]")
      }
      definition.merges.append(
        try definition.merge(left, right, rank: Int32(clamping: index), file: file, index: index))
    }
  }

  // MARK: tokenizer_config.json

  private static func applyConfiguration(
    _ configuration: JSONValue?, _ map: JSONValue?, file: String, to definition: inout TokenizerDefinition
  ) throws {
    func token(_ name: String) -> Int32? {
      for source in [configuration, map] {
        let value = source?[name]
        guard let text = value?.text ?? value?["content"]?.text else { continue }
        return definition.tokens.index(of: text.utf8).map { Int32($0) }
      }
      return nil
    }
    definition.bosToken = token("bos_token") ?? definition.prefix.first
    definition.eosToken = token("eos_token") ?? definition.suffix.last
    definition.paddingToken = token("pad_token")
    definition.unknownToken = token("unk_token") ?? definition.unknownToken
    definition.prefix = try affix("bos_token", configuration, definition.prefix, definition.bosToken, file: file)
    definition.suffix = try affix("eos_token", configuration, definition.suffix, definition.eosToken, file: file)
    definition.chatTemplate = chatTemplate(configuration?["chat_template"])
  }

  /// What stands before (or after) a text: what the post-processor says, unless `add_bos_token` (`add_eos_token`) of
  /// the configuration says otherwise, as in `transformers`.
  private static func affix(
    _ name: String, _ configuration: JSONValue?, _ template: [Int32], _ token: Int32?, file: String
  ) throws -> [Int32] {
    guard let isAdded = configuration?["add_\(name)"]?.flag, isAdded == template.isEmpty else { return template }
    guard isAdded else { return [] }
    guard let token else {
      throw TokenizerError.invalidField(
        file: file, field: name, expected: "a token of the vocabulary, because add_\(name) is true")
    }
    return [token]
  }

  /// A template as it is, or the one named "default" of a list of templates.
  private static func chatTemplate(_ json: JSONValue?) -> String? {
    if let template = json?.text { return template }
    let named = json?.elements ?? []
    return (named.first { $0["name"]?.text == "default" } ?? named.first)?["template"]?.text
  }
}

extension TokenizerDefinition {
  /// The merge of two tokens by their texts.
  ///
  /// - Throws: `TokenizerError.invalidMerge` when one of them or their concatenation is no token.
  func merge(
    _ left: some Collection<UInt8>, _ right: some Collection<UInt8>, rank: Int32, file: String, index: Int
  ) throws -> Merge {
    func id(_ text: some Collection<UInt8>) throws -> Int32 {
      if let id = tokens.index(of: text) { return Int32(id) }
      let text = String(decoding: text, as: UTF8.self)
      throw TokenizerError.invalidMerge(file: file, index: index, reason: "\"\(text)\" is not in the vocabulary")
    }
    return Merge(left: try id(left), right: try id(right), result: try id(Array(left) + Array(right)), rank: rank)
  }
}
