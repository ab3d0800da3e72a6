import LinearAlgebra

/// Finds documents that repeat an earlier one nearly word for word.
///
/// A document is the set of its shingles, all runs of five words (Broder, "On the resemblance and containment of
/// documents", 1997); a document shorter than that is one shingle. Two documents are near duplicates if the Jaccard
/// index of their sets is at least 0.8, as in Lee et al., "Deduplicating training data makes language models better"
/// (arXiv 2107.06499). Only pairs that share a band of their MinHash signatures are compared, and those exactly: of
/// pairs with an index of 0.8, `1 − (1 − 0.8⁴)¹⁶ = 99.98 %` share one.
struct NearDuplicates {
  static let wordsPerShingle = 5
  static let threshold = 0.8
  /// MinHash signature: `bands` times `rows` permutations.
  static let bands = 16
  static let rows = 4

  /// One for each permutation; fixed, so that duplicates depend on the documents only.
  private static let keys: [UInt64] = {
    var random = SeededGenerator(seed: 0, stream: 3)
    return (0..<bands * rows).map { _ in random.next() }
  }()

  /// The shingles of every document that is no near duplicate of an earlier one.
  private var documents: [Set<UInt64>] = []
  /// For each band, the documents by their value in the band.
  private var buckets: [[UInt64: [Int]]] = Array(repeating: [:], count: bands)

  /// The words of a text without regard to case.
  static func words(_ text: String) -> [Substring] {
    Substring(text.lowercased()).split(whereSeparator: \.isWhitespace)
  }

  /// Adds a document unless it is a near duplicate of one that was added.
  ///
  /// - Returns: `true` if it was added.
  mutating func insert(_ words: [Substring]) -> Bool {
    let shingles = Self.shingles(words)
    let signature = Self.signature(shingles)
    var compared: Set<Int> = []
    for (band, value) in signature.enumerated() {
      for index in buckets[band][value] ?? [] where compared.insert(index).inserted {
        if Self.jaccard(documents[index], shingles) >= Self.threshold { return false }
      }
    }
    for (band, value) in signature.enumerated() { buckets[band][value, default: []].append(documents.count) }
    documents.append(shingles)
    return true
  }

  static func jaccard(_ first: Set<UInt64>, _ second: Set<UInt64>) -> Double {
    let shared = first.count < second.count ? first.count(where: second.contains) : second.count(where: first.contains)
    return Double(shared) / Double(max(1, first.count + second.count - shared))
  }

  /// 64-bit hashes of all runs of five words.
  static func shingles(_ words: [Substring]) -> Set<UInt64> {
    let hashes = words.map(hash)
    let count = max(1, hashes.count - wordsPerShingle + 1)
    return Set(
      (0..<count).map { start in
        hashes[start..<min(start + wordsPerShingle, hashes.count)].reduce(0) { splitMix64($0 ^ $1) }
      })
  }

  /// A document's value in each band: its smallest shingles under the band's permutations, mixed to one number.
  private static func signature(_ shingles: Set<UInt64>) -> [UInt64] {
    (0..<bands).map { band in
      (0..<rows).reduce(0) { value, row in
        let key = keys[band * rows + row]
        return splitMix64(value ^ (shingles.lazy.map { splitMix64($0 ^ key) }.min() ?? 0))
      }
    }
  }

  /// FNV-1a over the bytes, mixed.
  private static func hash(_ word: Substring) -> UInt64 {
    splitMix64(word.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
  }
}
