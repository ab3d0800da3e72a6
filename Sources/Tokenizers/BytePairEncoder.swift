/// Byte pair encoding: pieces of text in, token ids out.
///
/// In a byte-level model the first symbols are bytes, in a SentencePiece model characters. Both then merge in the order
/// of the ranks.
struct BytePairEncoder: Sendable {
  private let merges: MergeTable
  private let isByteLevel: Bool
  private let unknown: Int32?
  private let fusesUnknown: Bool
  /// Byte-level: the symbol of each byte, -1 where unknown.
  private let byteSymbols: [Int32]
  /// Otherwise: the symbol of each character of the vocabulary,
  private let characterSymbols: [UInt32: Int32]
  /// and that of ASCII characters once more, -1 where unknown,
  private let asciiSymbols: [Int32]
  /// and the 256 tokens that stand for bytes, if the model falls back to them. (-1: there is none.)
  private let fallbackSymbols: [Int32]?
  /// The bytes of whole tokens and their ids, if the model takes whole tokens as they are.
  private let wholeTokens: TokenTable
  private let wholeTokenIds: [Int32]
  /// The mark of spaces, if no merge reaches from another character into one. Then a piece can be cut before every mark
  /// that does not follow a mark: the result is the same and takes less time.
  private let cutMark: [UInt8]?

  init(_ definition: TokenizerDefinition) {
    merges = MergeTable(definition.merges)
    isByteLevel = definition.isByteLevel
    unknown = definition.unknownSymbol
    fusesUnknown = definition.fusesUnknown

    fallbackSymbols = definition.byteFallback ? definition.fallbackIds.map { $0 ?? -1 } : nil
    byteSymbols = definition.byteIds.map { $0 ?? -1 }

    var characters: [UInt32: Int32] = [:]
    var wholeTokens = TokenTable()
    var wholeTokenIds: [Int32] = []
    definition.forEachModelToken { text, id in
      if !text.isEmpty, decodeScalar(text, at: text.startIndex).length == text.count {
        characters[decodeScalar(text, at: text.startIndex).value] = id
      }
      guard definition.ignoresMerges else { return }
      if let bytes = definition.isByteLevel ? ByteAlphabet.decode(text) : Array(text) {
        wholeTokens.append(bytes)
        wholeTokenIds.append(id)
      }
    }
    characterSymbols = characters
    asciiSymbols = (0..<128).map { characters[$0] ?? -1 }
    self.wholeTokens = wholeTokens
    self.wholeTokenIds = wholeTokenIds

    let mark = Array("▁".utf8)
    let isKnown = definition.id(of: mark) != nil
    let canCut = definition.merges.allSatisfy { merge in
      !definition.tokens[Int(merge.right)].starts(with: mark)
        || definition.tokens[Int(merge.left)].suffix(mark.count).elementsEqual(mark)
    }
    cutMark = isKnown && canCut && !definition.ignoresMerges && !definition.isByteLevel ? mark : nil
  }

  /// Appends the ids of every piece of `text`.
  func encode(_ text: PreTokenizedText, into ids: inout [Int32], cache: inout PieceCache) {
    var workspace = MergeWorkspace()
    text.text.withUnsafeBufferPointer { bytes in
      for piece in text.pieces {
        var start = piece.lowerBound
        while start < piece.upperBound {
          let end = cutMark.map { endOfCut(bytes, start, piece.upperBound, $0) } ?? piece.upperBound
          encode(bytes[start..<end], into: &ids, cache: &cache, workspace: &workspace)
          start = end
        }
      }
    }
  }

  /// The symbols of a token's text, and the results of the merges by which they become the token; nil if they become
  /// something else.
  func path(of text: ArraySlice<UInt8>, to id: Int32) -> [Int32]? {
    var workspace = MergeWorkspace()
    text.withUnsafeBufferPointer { appendSymbols(of: $0[...], to: &workspace.symbols) }
    let first = workspace.symbols
    workspace.results = []
    workspace.merge(with: merges)
    return workspace.symbols == [id] ? first + (workspace.results ?? []) : nil
  }

  /// The first place after `start` at which a mark follows another character, or `end`.
  private func endOfCut(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int, _ mark: [UInt8]) -> Int {
    func isMark(_ position: Int) -> Bool {
      position + 2 < end && bytes[position] == mark[0] && bytes[position + 1] == mark[1]
        && bytes[position + 2] == mark[2]
    }
    var position = start
    while position < end, isMark(position) { position += mark.count }
    while position < end, !isMark(position) { position += 1 }
    return position
  }

  private func encode(
    _ piece: UnsafeBufferPointer<UInt8>.SubSequence, into ids: inout [Int32], cache: inout PieceCache,
    workspace: inout MergeWorkspace
  ) {
    if piece.count <= PieceCache.maximumLength, cache.append(piece, to: &ids) { return }
    workspace.symbols.removeAll(keepingCapacity: true)
    if let index = wholeTokens.index(of: piece) {
      workspace.symbols.append(wholeTokenIds[index])
    } else {
      appendSymbols(of: piece, to: &workspace.symbols)
      workspace.merge(with: merges)
    }
    ids.append(contentsOf: workspace.symbols)
    if piece.count <= PieceCache.maximumLength { cache.insert(piece, ids: workspace.symbols) }
  }

  /// The symbols before any merge. An unknown character waits until a known one follows, so that its neighbours can
  /// join it; byte tokens do not end that wait (as in the reference implementation).
  private func appendSymbols(of piece: UnsafeBufferPointer<UInt8>.SubSequence, to symbols: inout [Int32]) {
    var waitingUnknown: Int32?
    func noteUnknown() {
      if let waiting = waitingUnknown, !fusesUnknown { symbols.append(waiting) }
      waitingUnknown = unknown
    }
    func flushUnknown() {
      if let waiting = waitingUnknown { symbols.append(waiting) }
      waitingUnknown = nil
    }
    if isByteLevel {
      for byte in piece {
        let known = byteSymbols[Int(byte)]
        if known >= 0 {
          flushUnknown()
          symbols.append(known)
        } else {
          noteUnknown()
        }
      }
    } else {
      var position = piece.startIndex
      while position < piece.endIndex {
        let (value, length) = decodeScalar(piece, at: position)
        defer { position += length }
        let known = value < 128 ? asciiSymbols[Int(value)] : characterSymbols[value] ?? -1
        if known >= 0 {
          flushUnknown()
          symbols.append(known)
          continue
        }
        let bytes = fallbackSymbols.map { fallback in piece[position..<(position + length)].map { fallback[Int($0)] } }
        if let bytes, !bytes.contains(-1) {
          symbols.append(contentsOf: bytes)
        } else {
          noteUnknown()
        }
      }
    }
    flushUnknown()
  }
}
