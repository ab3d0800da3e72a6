import Search

/// Candidates of a study in single precision and in bfloat16: how fast, and whether in the same order.
public struct PrecisionBenchmark: Codable, Sendable {
  public struct Row: Codable, Sendable {
    public let precision: String
    public let seconds: Double
    public let evaluationsPerSecond: Double
    /// KL divergences from the dense model in single precision, in nats per token, in the order of the trials.
    public let divergences: [Double]
  }

  public let candidates: Int
  /// Fitness windows that they were measured on, and tokens in them together.
  public let windows: Int
  public let tokens: Int
  public let rows: [Row]
  /// The first row's seconds as a multiple of the last one's.
  public let ratio: Double
  /// Spearman's correlation of the divergences; `nil` where it is not defined.
  public let rankCorrelation: Double?
  /// Differences of the divergences, last row less first, relative to the first.
  public let meanDifference: Double
  public let largestDifference: Double
  /// Pairs of candidates that the precisions order differently, and all pairs.
  public let swappedPairs: Int
  public let pairs: Int
  /// Largest difference, in the first row and relative to the smaller one, of a pair that is swapped.
  public let largestSwap: Double

  /// - Parameter rows: of both precisions, for the same candidates.
  init(_ rows: [Row], windows: Int, tokens: Int) {
    let (first, last) = (rows[0].divergences, rows[1].divergences)
    let differences = zip(first, last).map { ($1 - $0) / max($0, 1e-9) }
    var (swaps, pairs, largest) = (0, 0, 0.0)
    for i in first.indices {
      for j in 0..<i where first[i] != first[j] {
        pairs += 1
        if (first[i] < first[j]) == (last[i] < last[j]) && last[i] != last[j] { continue }
        swaps += 1
        largest = max(largest, abs(first[i] - first[j]) / max(min(first[i], first[j]), 1e-9))
      }
    }
    (candidates, self.windows, self.tokens, self.rows) = (first.count, windows, tokens, rows)
    ratio = rows[0].seconds / rows[1].seconds
    rankCorrelation = RankCorrelation.spearman(first, last)
    meanDifference = differences.reduce(0, +) / Double(differences.count)
    largestDifference = differences.map { abs($0) }.max() ?? 0
    (swappedPairs, self.pairs, largestSwap) = (swaps, pairs, largest)
  }
}
