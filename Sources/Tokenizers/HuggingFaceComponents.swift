import Checkpoints

/// The components of a `tokenizer.json`: normaliser, pre-tokenizer, decoder and post-processor, each an object with a
/// `type`, or null.
extension HuggingFaceDocument {
  private func bytes(_ value: JSONValue?, _ field: String) throws -> [UInt8] {
    guard let text = value?.string, !text.isEmpty else { throw invalid(field, "a string that is not empty") }
    return Array(text.utf8)
  }

  /// `prepend_scheme`, or in old files `add_prefix_space`. If a file has both, they must not contradict each other.
  private func scheme(_ json: JSONValue, _ field: String) throws -> PrependScheme {
    let addsSpace = json["add_prefix_space"]?.bool
    guard let name = json["prepend_scheme"]?.string else { return addsSpace ?? true ? .always : .never }
    guard let scheme = PrependScheme(rawValue: name) else {
      throw invalid("\(field).prepend_scheme", "always, first or never, not \(name)")
    }
    if addsSpace == false, scheme != .never {
      throw invalid("\(field).prepend_scheme", "never, because add_prefix_space is false, not \(name)")
    }
    return scheme
  }

  /// The members of a `Sequence` (under `key`), the component itself, or nothing for null.
  private func sequence(_ json: JSONValue?, _ field: String, key: String) throws -> [JSONValue] {
    guard let json, json != .null else { return [] }
    guard json["type"]?.string == "Sequence" else { return [json] }
    guard let members = json[key]?.array else { throw invalid("\(field).\(key)", "an array") }
    return try members.flatMap { try sequence($0, field, key: key) }
  }

  /// The pattern of a `Replace` and its replacement.
  private func replacement(_ step: JSONValue, _ component: String, _ supported: [String]) throws -> ([UInt8], [UInt8]) {
    guard step["pattern"]?["Regex"] == nil else {
      throw unsupported(component, "Replace with a Regex pattern", supported)
    }
    let pattern = try bytes(step["pattern"]?["String"], "\(component).pattern.String")
    return (pattern, Array((step["content"]?.string ?? "").utf8))
  }

  func normalizer(_ json: JSONValue?) throws -> [NormalizerStep] {
    try sequence(json, "normalizer", key: "normalizers").map { step in
      switch step["type"]?.string {
      case "NFC":
        return .nfc
      case "Prepend":
        return .prepend(try bytes(step["prepend"], "normalizer.prepend"))
      case "Replace":
        let (pattern, content) = try replacement(step, "normalizer", NormalizerStep.supported)
        return .replace(pattern: pattern, content: content)
      case let other:
        throw unsupported("normalizer", other, NormalizerStep.supported)
      }
    }
  }

  func preTokenizer(_ json: JSONValue?) throws -> [PreTokenizerStep] {
    let steps = try sequence(json, "pre_tokenizer", key: "pretokenizers").map { step throws -> PreTokenizerStep in
      switch step["type"]?.string {
      case "ByteLevel":
        return .byteLevel(
          addPrefixSpace: step["add_prefix_space"]?.bool ?? true, useRegex: step["use_regex"]?.bool ?? true)
      case "Digits":
        return .digits(individual: step["individual_digits"]?.bool ?? false)
      case "Metaspace":
        return .metaspace(
          mark: try bytes(step["replacement"], "pre_tokenizer.replacement"), scheme: try scheme(step, "pre_tokenizer"),
          split: step["split"]?.bool ?? true)
      case "Split":
        return try split(step)
      case let other:
        throw unsupported("pre-tokenizer", other, PreTokenizerStep.supported)
      }
    }
    // ByteLevel respells the text, and a step after it would see that spelling.
    if let place = steps.firstIndex(where: \.isByteLevel), place < steps.count - 1 {
      throw unsupported("pre-tokenizer", "with a step after ByteLevel", ["ByteLevel as the last step"])
    }
    return steps
  }

  private func split(_ step: JSONValue) throws -> PreTokenizerStep {
    guard let expression = step["pattern"]?["Regex"]?.string else {
      throw unsupported("pre-tokenizer", "Split without a Regex pattern", PreTokenizerStep.supported)
    }
    let behavior = step["behavior"]?.string ?? "without a name"
    let inverted = step["invert"]?.bool ?? false
    if let pattern = RunPattern(rawValue: expression) {
      guard behavior == "Isolated" else { throw unsupported("Split behavior", behavior, ["Isolated"]) }
      return .isolate(pattern)
    }
    guard let pattern = WordPattern(expression: expression) else {
      throw unsupported("pre-tokenizer", "Split pattern \(expression)", WordPattern.names)
    }
    switch (behavior, inverted) {
    case ("Isolated", _), ("Removed", true):
      return .split(pattern)
    default:
      throw unsupported(
        "Split behavior", behavior + (inverted ? " inverted" : ""), ["Isolated", "Removed inverted"])
    }
  }

  /// nil for null.
  func decoder(_ json: JSONValue?) throws -> [DecoderStep]? {
    guard let json, json != .null else { return nil }
    return try sequence(json, "decoder", key: "decoders").map { step in
      switch step["type"]?.string {
      case "ByteLevel":
        return .byteLevel
      case "ByteFallback":
        return .byteFallback
      case "Fuse":
        return .fuse
      case "Replace":
        let (pattern, content) = try replacement(step, "decoder", DecoderStep.supported)
        return .replace(pattern: pattern, content: content)
      case "Strip":
        guard let start = step["start"]?.id, let stop = step["stop"]?.id else {
          throw invalid("decoder.start and decoder.stop", "two counts")
        }
        return .strip(content: try bytes(step["content"], "decoder.content"), start: Int(start), stop: Int(stop))
      case "Metaspace":
        return .metaspace(
          mark: try bytes(step["replacement"], "decoder.replacement"), scheme: try scheme(step, "decoder"))
      case let other:
        throw unsupported("decoder", other, DecoderStep.supported)
      }
    }
  }

  /// The ids that the post-processor puts before and after a single text; `ByteLevel` and null put none.
  func postProcessor(_ json: JSONValue?) throws -> (prefix: [Int32], suffix: [Int32]) {
    var result: (prefix: [Int32], suffix: [Int32])?
    for step in try sequence(json, "post_processor", key: "processors") {
      let type = step["type"]?.string
      // The library fails at a second one.
      if result != nil, type != "ByteLevel" {
        throw unsupported("post-processor", "Sequence of two that add tokens", ["one that adds tokens"])
      }
      switch type {
      case "ByteLevel":
        break
      case "TemplateProcessing":
        result = try template(step)
      case "BertProcessing", "RobertaProcessing":
        result = ([try pair(step, "cls")], [try pair(step, "sep")])
      case let other:
        throw unsupported(
          "post-processor", other,
          ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"])
      }
    }
    return result ?? ([], [])
  }

  /// A token as `["</s>", 2]`.
  private func pair(_ step: JSONValue, _ name: String) throws -> Int32 {
    guard let pair = step[name]?.array, pair.count == 2, let id = pair[1].id else {
      throw invalid("post_processor.\(name)", "a token and its id")
    }
    return id
  }

  private func template(_ step: JSONValue) throws -> (prefix: [Int32], suffix: [Int32]) {
    let field = "post_processor"
    guard let template = step["single"]?.array else { throw invalid("\(field).single", "an array") }
    var result: (prefix: [Int32], suffix: [Int32]) = ([], [])
    var isAfterText = false
    for part in template {
      if let sequence = part["Sequence"] {
        guard !isAfterText, sequence["id"]?.string != "B" else {
          throw invalid("\(field).single", "one Sequence, which is A")
        }
        isAfterText = true
        continue
      }
      guard let name = part["SpecialToken"]?["id"]?.string else {
        throw invalid("\(field).single", "objects SpecialToken and Sequence")
      }
      let entry = step["special_tokens"]?[name]
      guard let ids = entry?["ids"]?.array?.map(\.id), !ids.contains(nil) else {
        throw invalid("\(field).special_tokens.\(name).ids", "an array of token ids")
      }
      if isAfterText { result.suffix += ids.compactMap { $0 } } else { result.prefix += ids.compactMap { $0 } }
    }
    guard isAfterText else { throw invalid("\(field).single", "a Sequence for the text") }
    return result
  }
}
