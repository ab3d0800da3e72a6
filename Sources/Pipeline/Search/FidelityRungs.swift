import Evaluation
import Search

/// What a candidate was measured to be on each of the first fitness windows, as stored with its trial.
struct WindowRecord: Codable, Sendable, Equatable {
  /// KL divergence from the dense model in each window, nats per token.
  var divergences: [Double]
  /// Mean negative log-likelihood in each window, nats.
  var losses: [Double]
}

extension WindowRecord {
  init(_ comparison: Comparison) {
    self.init(divergences: comparison.windowDivergences, losses: comparison.perplexity.windowMeans)
  }

  func prefix(_ count: Int) -> WindowRecord {
    WindowRecord(divergences: Array(divergences.prefix(count)), losses: Array(losses.prefix(count)))
  }
}

/// Estimates what candidates are worth on all windows from the first few.
///
/// Some windows are harder than others for every candidate. So a mean over the first windows is corrected by what those
/// measured on all windows show: divergences by a ratio of sums, losses by a mean difference.
struct FidelityRungs: Sendable {
  let ladder: FidelityLadder
  /// Candidates that were measured on all windows.
  private(set) var references = 0
  /// Sums over the references, one a rung and, as the last, on all windows.
  private var divergences: [Double]
  private var losses: [Double]

  /// Fewer references than this say too little: candidates are then measured on all windows.
  static let fewest = 8

  init(windows: Int, count: Int) {
    ladder = FidelityLadder(windows: windows, count: count)
    divergences = ladder.rungs.map { _ in 0 }
    losses = divergences
  }

  var windows: Int { ladder.rungs.last ?? 0 }
  var isTrusted: Bool { references >= Self.fewest }

  /// Takes a candidate as a reference if it was measured on all windows.
  mutating func learn(_ record: WindowRecord) {
    guard record.divergences.count == windows, record.losses.count == windows else { return }
    references += 1
    for (place, count) in ladder.rungs.enumerated() {
      divergences[place] += Self.mean(record.divergences.prefix(count))
      losses[place] += Self.mean(record.losses.prefix(count))
    }
  }

  /// Mean divergence and loss on all windows: measured, or estimated from the first ones.
  func estimate(_ record: WindowRecord) -> (divergence: Double, loss: Double) {
    let (divergence, loss) = (max(0, Self.mean(record.divergences[...])), Self.mean(record.losses[...]))
    guard let place = ladder.rungs.dropLast().firstIndex(of: record.divergences.count), references > 0,
      divergences[place] > 0, let all = divergences.last, let allLosses = losses.last
    else { return (divergence, loss) }
    return (divergence * all / divergences[place], loss + (allLosses - losses[place]) / Double(references))
  }

  /// A quality on the first windows, with divergence and loss as estimated for all.
  func estimate(_ measured: Quality, _ record: WindowRecord) -> Quality {
    let (divergence, loss) = estimate(record)
    return Quality(divergence: divergence, loss: loss, topOneAgreement: measured.topOneAgreement)
  }

  private static func mean(_ values: ArraySlice<Double>) -> Double { values.reduce(0, +) / Double(values.count) }
}
