import Foundation
import Pipeline

extension EvaluatorBenchmark {
  /// A line for each way.
  var lines: [String] {
    rows.map { row in
      row.way.padding(toLength: 34, withPad: " ", startingAt: 0)
        + String(
          format: "%8.1f s  %6.3f evaluations/s  %6.2f ×  largest difference %.1e", row.seconds,
          row.evaluationsPerSecond, row.ratio, row.largestDifference)
    } + [
      String(
        format: "%d candidates on %@ windows (%d tokens), memory limit %d MiB; %.1f %% of half layers shared",
        candidates, rungs.map(String.init).joined(separator: ", "), tokens, memoryLimit >> 20, 100 * shared)
    ]
  }
}

extension PrecisionBenchmark {
  /// A line for each precision, and how well they agree.
  var lines: [String] {
    rows.map { row in
      row.precision.padding(toLength: 6, withPad: " ", startingAt: 0)
        + String(format: "%8.1f s  %6.3f evaluations/s", row.seconds, row.evaluationsPerSecond)
    } + [
      String(
        format: "bf16 is %.2f × as fast on %d candidates and %d windows (%d tokens)", ratio, candidates, windows, tokens
      ),
      String(
        format: "rank correlation of the divergences %.5f; relative difference %+.2e on average, at most %.1e",
        rankCorrelation ?? .nan,
        meanDifference, largestDifference),
      String(
        format: "%d of %d pairs change places, at most %.1e apart", swappedPairs, pairs, largestSwap),
    ]
  }
}
