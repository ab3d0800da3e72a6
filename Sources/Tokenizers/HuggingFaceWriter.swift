import Foundation

/// Writes a definition as the JSON files that `tokenizers` and `transformers` read.
enum HuggingFaceWriter {
  static func files(for definition: TokenizerDefinition) -> [String: Data] {
    ["tokenizer.json": tokenizer(definition).data, "tokenizer_config.json": configuration(definition).data]
  }

  static func tokenizer(_ definition: TokenizerDefinition) -> JSONValue {
    [
      "version": "1.0",
      "truncation": nil,
      "padding": nil,
      "added_tokens": .array(definition.addedTokens.map { addedToken($0) }),
      "normalizer": sequence(definition.normalizer.map(normalizer), key: "normalizers"),
      "pre_tokenizer": sequence(definition.preTokenizer.map(preTokenizer), key: "pretokenizers"),
      "post_processor": postProcessor(definition),
      "decoder": definition.decoder.map { sequence($0.map(decoder), key: "decoders") } ?? nil,
      "model": model(definition),
    ]
  }

  private static func string(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }

  private static func sequence(_ steps: [JSONValue], key: String) -> JSONValue {
    switch steps.count {
    case 0: nil
    case 1: steps[0]
    default: .object([("type", "Sequence"), (key, .array(steps))])
    }
  }

  private static func addedToken(_ token: AddedToken) -> JSONValue {
    [
      "id": .number(Double(token.id)),
      "content": string(token.content),
      "single_word": .bool(token.singleWord),
      "lstrip": .bool(token.stripsLeft),
      "rstrip": .bool(token.stripsRight),
      "normalized": .bool(token.normalized),
      "special": .bool(token.special),
    ]
  }

  private static func normalizer(_ step: NormalizerStep) -> JSONValue {
    switch step {
    case .nfc:
      ["type": "NFC"]
    case .prepend(let text):
      ["type": "Prepend", "prepend": string(text)]
    case .replace(let pattern, let content):
      ["type": "Replace", "pattern": ["String": string(pattern)], "content": string(content)]
    }
  }

  private static func preTokenizer(_ step: PreTokenizerStep) -> JSONValue {
    switch step {
    case .split(let pattern):
      split(pattern.expression)
    case .isolate(let pattern):
      split(pattern.expression)
    case .digits(let individual):
      ["type": "Digits", "individual_digits": .bool(individual)]
    case .byteLevel(let addPrefixSpace, let useRegex):
      byteLevel(addPrefixSpace: addPrefixSpace, useRegex: useRegex)
    case .metaspace(let mark, let scheme, let split):
      [
        "type": "Metaspace", "replacement": string(mark), "prepend_scheme": .string(scheme.rawValue),
        "split": .bool(split),
      ]
    }
  }

  private static func split(_ expression: String) -> JSONValue {
    ["type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false]
  }

  private static func byteLevel(addPrefixSpace: Bool, useRegex: Bool) -> JSONValue {
    [
      "type": "ByteLevel", "add_prefix_space": .bool(addPrefixSpace), "trim_offsets": true,
      "use_regex": .bool(useRegex),
    ]
  }

  private static func decoder(_ step: DecoderStep) -> JSONValue {
    switch step {
    case .byteLevel:
      byteLevel(addPrefixSpace: true, useRegex: true)
    case .byteFallback:
      ["type": "ByteFallback"]
    case .fuse:
      ["type": "Fuse"]
    case .replace(let pattern, let content):
      ["type": "Replace", "pattern": ["String": string(pattern)], "content": string(content)]
    case .strip(let content, let start, let stop):
      [
        "type": "Strip", "content": string(content), "start": .number(Double(start)), "stop": .number(Double(stop)),
      ]
    case .metaspace(let mark, let scheme):
      ["type": "Metaspace", "replacement": string(mark), "prepend_scheme": .string(scheme.rawValue)]
    }
  }

  private static func postProcessor(_ definition: TokenizerDefinition) -> JSONValue {
    let affixes = definition.prefix + definition.suffix
    guard !affixes.isEmpty else {
      return definition.isByteLevel ? byteLevel(addPrefixSpace: true, useRegex: true) : nil
    }
    func part(_ kind: String, _ id: String, _ type: Int) -> JSONValue {
      let member: JSONValue = ["id": .string(id), "type_id": .number(Double(type))]
      return .object([(key: kind, value: member)])
    }
    func template(_ sequence: String, _ type: Int) -> [JSONValue] {
      definition.prefix.map { part("SpecialToken", definition.text(of: $0), type) }
        + [part("Sequence", sequence, type)]
        + definition.suffix.map { part("SpecialToken", definition.text(of: $0), type) }
    }
    var entries: [(key: String, value: JSONValue)] = []
    for id in Set(affixes).sorted() {
      let text = definition.text(of: id)
      entries.append((text, ["id": .string(text), "ids": [.number(Double(id))], "tokens": [.string(text)]]))
    }
    return [
      "type": "TemplateProcessing",
      "single": .array(template("A", 0)),
      "pair": .array(template("A", 0) + template("B", 1)),
      "special_tokens": .object(entries),
    ]
  }

  private static func model(_ definition: TokenizerDefinition) -> JSONValue {
    var vocabulary: [(key: String, value: JSONValue)] = []
    definition.forEachModelToken { text, id in
      vocabulary.append((String(decoding: text, as: UTF8.self), .number(Double(id))))
    }
    return [
      "type": "BPE",
      "dropout": nil,
      "unk_token": definition.unknownSymbol.map { .string(definition.text(of: $0)) } ?? nil,
      "continuing_subword_prefix": nil,
      "end_of_word_suffix": nil,
      "fuse_unk": .bool(definition.fusesUnknown),
      "byte_fallback": .bool(definition.byteFallback),
      "ignore_merges": .bool(definition.ignoresMerges),
      "vocab": .object(vocabulary),
      "merges": .array(merges(definition)),
    ]
  }

  /// The merges by their texts. If an id has several texts, those are taken whose concatenation is a text of the
  /// result.
  private static func merges(_ definition: TokenizerDefinition) -> [JSONValue] {
    var others: [Int32: [[UInt8]]] = [:]
    for index in definition.otherTexts.indices {
      others[definition.otherIds[index], default: []].append(Array(definition.otherTexts[index]))
    }
    func texts(_ id: Int32) -> [[UInt8]] { [Array(definition.tokens[Int(id)])] + (others[id] ?? []) }
    return definition.merges.map { merge in
      var pair = (Array(definition.tokens[Int(merge.left)]), Array(definition.tokens[Int(merge.right)]))
      if others[merge.left] ?? others[merge.right] ?? others[merge.result] != nil {
        let results = texts(merge.result)
        let pairs = texts(merge.left).flatMap { left in texts(merge.right).map { (left, $0) } }
        pair = pairs.first { results.contains($0.0 + $0.1) } ?? pair
      }
      return [string(pair.0), string(pair.1)]
    }
  }

  private static func configuration(_ definition: TokenizerDefinition) -> JSONValue {
    var members: [(key: String, value: JSONValue)] = [
      ("tokenizer_class", "PreTrainedTokenizerFast"),
      ("clean_up_tokenization_spaces", false),
      ("add_bos_token", .bool(!definition.prefix.isEmpty)),
      ("add_eos_token", .bool(!definition.suffix.isEmpty)),
    ]
    let tokens = [
      ("bos_token", definition.bosToken), ("eos_token", definition.eosToken), ("unk_token", definition.unknownToken),
      ("pad_token", definition.paddingToken),
    ]
    for (name, id) in tokens {
      if let id { members.append((name, .string(definition.text(of: id)))) }
    }
    if let template = definition.chatTemplate { members.append(("chat_template", .string(template))) }
    return .object(members)
  }
}
