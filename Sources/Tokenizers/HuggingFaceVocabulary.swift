/// The tokens of a `tokenizer.json`: those of the model, and those added beside it.
///
/// Ids are assigned as the `tokenizers` library assigns them. The model's ids are those of the file, and there may be
/// gaps. An added token whose text the model knows takes the model's id; any other takes the next free id, whatever
/// `id` the file says.
struct HuggingFaceVocabulary {
  /// The texts of the model and their ids. If the file has a text twice, the last id counts.
  private var texts = TokenTable()
  private var ids: [Int32] = []
  private var added: [Int32: AddedToken] = [:]
  private var addedIds: [[UInt8]: Int32] = [:]
  /// Texts that were special once, and stay so.
  private var specials: Set<[UInt8]> = []

  /// The added tokens in the order of their ids.
  var addedTokens: [AddedToken] { added.sorted { $0.key < $1.key }.map(\.value) }
  func isAdded(_ text: [UInt8]) -> Bool { addedIds[text] != nil }
  func addedToken(_ text: [UInt8]) -> AddedToken? { addedIds[text].flatMap { added[$0] } }

  func modelId(of text: some Collection<UInt8>) -> Int32? { texts.index(of: text).map { ids[$0] } }

  /// One more than the highest id that a model of so many tokens may have. A table has a place for every id, and must
  /// not outgrow the file.
  static func limit(tokens: Int) -> Int { 16 * (tokens + 4096) }

  mutating func insert(_ text: some Collection<UInt8>, _ id: Int32) {
    if let known = texts.index(of: text) {
      ids[known] = id
    } else {
      texts.append(text)
      ids.append(id)
    }
  }

  /// Adds tokens, or changes their flags. Tokens without text are left out.
  mutating func add(_ tokens: [AddedToken]) {
    let size = Int32(clamping: texts.count)
    var next = added.keys.max().map { $0 >= size || size == 0 ? $0 + 1 : size } ?? size
    for var token in tokens where !token.content.isEmpty {
      if let id = addedIds[token.content] ?? modelId(of: token.content) {
        token.id = id
      } else {
        token.id = next
        next += 1
      }
      if token.special { specials.insert(token.content) }
      token.special = specials.contains(token.content)
      addedIds[token.content] = token.id
      added[token.id] = token
    }
  }

  /// Fills the definition's tables. If an id has two texts, it is decoded to that of the added token; if both are the
  /// model's, to the first in the file.
  ///
  /// - Throws: `TokenizerError.invalidVocabulary` if there are no tokens.
  func write(into definition: inout TokenizerDefinition, file: String) throws {
    guard let last = (ids + Array(added.keys)).max() else {
      throw TokenizerError.invalidVocabulary(file: file, reason: "it is empty")
    }
    var entry = [Int?](repeating: nil, count: Int(last) + 1)
    for (index, id) in ids.enumerated() {
      if entry[Int(id)] == nil {
        entry[Int(id)] = index
      } else if !(added[id]?.content.elementsEqual(texts[index]) ?? false) {
        definition.appendOther(texts[index], id)
      }
    }
    for id in 0...last {
      let text = entry[Int(id)].map { texts[$0] }
      if let token = added[id] {
        definition.tokens.append(token.content)
        if let text, text.elementsEqual(token.content) { continue }
        if modelId(of: token.content) != id { definition.addedOnly.insert(id) }
        if let text { definition.appendOther(text, id) }
      } else if let text {
        definition.tokens.append(text)
      } else {
        definition.tokens.appendGap()
      }
    }
    definition.addedTokens = addedTokens
  }
}

extension TokenizerDefinition {
  fileprivate mutating func appendOther(_ text: ArraySlice<UInt8>, _ id: Int32) {
    // The text may already be the one of its id.
    if let known = tokens.index(of: text), known == Int(id) { return }
    otherTexts.append(text)
    otherIds.append(id)
  }
}
