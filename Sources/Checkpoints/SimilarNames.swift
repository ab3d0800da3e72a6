/// Names that are like one that was not found, for messages.
public enum SimilarNames {
  /// The most similar names, best first, at most three. Names that differ by more than half of their length are left
  /// out.
  public static func to(_ name: String, in names: [String]) -> [String] {
    let wanted = Array(name.utf8)
    let scored = names.compactMap { candidate -> (distance: Int, name: String)? in
      let distance = editDistance(wanted, Array(candidate.utf8))
      return distance <= max(wanted.count, candidate.utf8.count) / 2 ? (distance, candidate) : nil
    }
    return scored.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
  }

  /// Levenshtein's distance: the least number of insertions, deletions and substitutions.
  private static func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var previous = Array(0...b.count)
    var current = previous
    for (i, x) in a.enumerated() {
      current[0] = i + 1
      for (j, y) in b.enumerated() {
        current[j + 1] = min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1)
      }
      swap(&previous, &current)
    }
    return previous[b.count]
  }
}
