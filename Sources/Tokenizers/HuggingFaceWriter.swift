import Checkpoints
import Foundation

/// Writes a definition as the JSON files that `tokenizers` and `transformers` read.
enum HuggingFaceWriter {
  static func files(for definition: TokenizerDefinition) -> [String: Data] {
    ["tokenizer.json": data(tokenizer(definition)), "tokenizer_config.json": data(configuration(definition))]
  }

  static func data(_ json: JSONValue) -> Data { Data((json.compact + "\n").utf8) }

  static func tokenizer(_ definition: TokenizerDefinition) -> JSONValue {
    .ordered([
      "version": "1.0",
      "truncation": nil,
      "padding": nil,
      "added_tokens": .array(definition.addedTokens.map { addedToken($0) }),
      "normalizer": sequence(definition.normalizer.map(normalizer), key: "normalizers"),
      "pre_tokenizer": sequence(definition.preTokenizer.map(preTokenizer), key: "pretokenizers"),
      "post_processor": postProcessor(definition),
      "decoder": definition.decoder.map { sequence($0.map(decoder), key: "decoders") } ?? nil,
      "model": model(definition),
    ])
  }

  private static func string(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }

  private static func sequence(_ steps: [JSONValue], key: String) -> JSONValue {
    switch steps.count {
    case 0: nil
    case 1: steps[0]
    default: .ordered(["type": "Sequence", key: .array(steps)])
    }
  }

  private static func addedToken(_ token: AddedToken) -> JSONValue {
    .ordered([
      "id": .integer(Int(token.id)),
      "content": string(token.content),
      "single_word": .bool(token.singleWord),
      "lstrip": .bool(token.stripsLeft),
      "rstrip": .bool(token.stripsRight),
      "normalized": .bool(token.normalized),
      "special": .bool(token.special),
    ])
  }

  private static func normalizer(_ step: NormalizerStep) -> JSONValue {
    switch step {
    case .nfc:
      ["type": "NFC"]
    case .prepend(let text):
      .ordered(["type": "Prepend", "prepend": string(text)])
    case .replace(let pattern, let content):
      .ordered(["type": "Replace", "pattern": ["String": string(pattern)], "content": string(content)])
    }
  }

  private static func preTokenizer(_ step: PreTokenizerStep) -> JSONValue {
    switch step {
    case .split(let pattern):
      split(pattern.expression)
    case .isolate(let pattern):
      split(pattern.rawValue)
    case .digits(let individual):
      .ordered(["type": "Digits", "individual_digits": .bool(individual)])
    case .byteLevel(let addPrefixSpace, let useRegex):
      byteLevel(addPrefixSpace: addPrefixSpace, useRegex: useRegex)
    case .metaspace(let mark, let scheme, let split):
      .ordered([
        "type": "Metaspace", "replacement": string(mark), "prepend_scheme": .string(scheme.rawValue),
        "split": .bool(split),
      ])
    }
  }

  private static func split(_ expression: String) -> JSONValue {
    .ordered(["type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false])
  }

  private static func byteLevel(addPrefixSpace: Bool, useRegex: Bool) -> JSONValue {
    .ordered([
      "type": "ByteLevel", "add_prefix_space": .bool(addPrefixSpace), "trim_offsets": true,
      "use_regex": .bool(useRegex),
    ])
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
      .ordered(["type": "Replace", "pattern": ["String": string(pattern)], "content": string(content)])
    case .strip(let content, let start, let stop):
      .ordered([
        "type": "Strip", "content": string(content), "start": .integer(start), "stop": .integer(stop),
      ])
    case .metaspace(let mark, let scheme):
      .ordered(["type": "Metaspace", "replacement": string(mark), "prepend_scheme": .string(scheme.rawValue)])
    }
  }

  private static func postProcessor(_ definition: TokenizerDefinition) -> JSONValue {
    let affixes = definition.prefix + definition.suffix
    guard !affixes.isEmpty else {
      return definition.isByteLevel ? byteLevel(addPrefixSpace: true, useRegex: true) : nil
    }
    func part(_ kind: String, _ id: String, _ type: Int) -> JSONValue {
      .ordered([kind: .ordered(["id": .string(id), "type_id": .integer(type)])])
    }
    func template(_ sequence: String, _ type: Int) -> [JSONValue] {
      definition.prefix.map { part("SpecialToken", definition.text(of: $0), type) }
        + [part("Sequence", sequence, type)]
        + definition.suffix.map { part("SpecialToken", definition.text(of: $0), type) }
    }
    var entries: [JSONMember] = []
    for id in Set(affixes).sorted() {
      let text = definition.text(of: id)
      let entry: JSONValue = .ordered(["id": .string(text), "ids": [.integer(Int(id))], "tokens": [.string(text)]])
      entries.append(JSONMember(key: text, value: entry))
    }
    return .ordered([
      "type": "TemplateProcessing",
      "single": .array(template("A", 0)),
      "pair": .array(template("A", 0) + template("B", 1)),
      "special_tokens": .members(entries),
    ])
  }

  private static func model(_ definition: TokenizerDefinition) -> JSONValue {
    var vocabulary: [JSONMember] = []
    definition.forEachModelToken { text, id in
      vocabulary.append(JSONMember(key: String(decoding: text, as: UTF8.self), value: .integer(Int(id))))
    }
    return .ordered([
      "type": "BPE",
      "dropout": nil,
      "unk_token": definition.unknownSymbol.map { .string(definition.text(of: $0)) } ?? nil,
      "continuing_subword_prefix": nil,
      "end_of_word_suffix": nil,
      "fuse_unk": .bool(definition.fusesUnknown),
      "byte_fallback": .bool(definition.byteFallback),
      "ignore_merges": .bool(definition.ignoresMerges),
      "vocab": .members(vocabulary),
      "merges": .array(merges(definition)),
    ])
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
    let token = { (id: Int32?) in id.map { JSONValue.string(definition.text(of: $0)) } }
    let members: KeyValuePairs<String, JSONValue?> = [
      "tokenizer_class": "PreTrainedTokenizerFast",
      "clean_up_tokenization_spaces": false,
      "add_bos_token": .bool(!definition.prefix.isEmpty),
      "add_eos_token": .bool(!definition.suffix.isEmpty),
      "bos_token": token(definition.bosToken),
      "eos_token": token(definition.eosToken),
      "unk_token": token(definition.unknownToken),
      "pad_token": token(definition.paddingToken),
      "chat_template": definition.chatTemplate.map { .string($0) },
    ]
    return .members(members.compactMap { name, value in value.map { JSONMember(key: name, value: $0) } })
  }
}
