import Foundation
import Pipeline
import Runtime

extension WorkEstimate {
  /// `estimate: 5.1 GiB of memory (planned with: 8.0 GiB), …`.
  ///
  /// - Parameter cache: folder for statistics.
  func text(cache: URL) -> String {
    let parts = stages.map { "\($0.stage.rawValue) \(WorkText.clock($0.seconds))" }
    return "estimate: \(WorkText.amount(memory)) of memory (planned with: \(WorkText.amount(plan.limit))), "
      + "\(WorkText.amount(disk)) of disk in \(cache.relativePath); at the speed of this machine's matrix products "
      + "\(WorkText.clock(seconds)) (\(parts.joined(separator: ", "))), less what is in the cache already"
  }
}

extension WorkRecord {
  /// `took: 5.3 GiB of memory at most (estimate 5.1 GiB), statistics 81.0 s (estimate 72.5 s), …`.
  var text: String {
    var kinds: [Monitor.Stage.Kind] = []
    for cost in stages where !kinds.contains(cost.stage) { kinds.append(cost.stage) }
    let parts = kinds.map { kind in
      let seconds = stages.filter { $0.stage == kind }.reduce(0) { $0 + $1.seconds }
      let guess = expected.first { $0.stage == kind }
      return "\(kind.rawValue) \(WorkText.clock(seconds))"
        + (guess.map { " (estimate \(WorkText.clock($0.seconds)))" } ?? "")
    }
    let memory = peak.map {
      "\(WorkText.amount($0)) of memory at most (estimate \(WorkText.amount(expectedMemory))), "
    }
    return "took: " + (memory ?? "") + parts.joined(separator: ", ")
  }
}

extension Double {
  /// The number with so many digits behind its point.
  func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

/// Amounts and times in words.
enum WorkText {
  /// `4.2 s`, `3 min 05 s`.
  static func clock(_ seconds: Double) -> String {
    if seconds < 60 { return String(format: "%.1f s", seconds) }
    let whole = Int(min(seconds, 1e15))
    return String(format: "%d min %02d s", whole / 60, whole % 60)
  }

  /// `5.1 GiB`, `310 MiB`.
  static func amount(_ bytes: Int) -> String {
    bytes < 1 << 30 ? "\(bytes >> 20) MiB" : String(format: "%.1f GiB", Double(bytes) / Double(1 << 30))
  }
}

/// Sentences about how a study was made.
enum ReportNotes {
  static func notes(_ fidelity: FidelityReport?, _ description: StudyDescription) -> [String] {
    let preparation = description.work.map { "The preparation \($0.text)." }
    let peak = description.peak.map { "The process took \(WorkText.amount($0)) of memory at most." }
    return (fidelity?.sentences ?? []) + [preparation, peak].compactMap { $0 }
  }
}

extension FidelityReport {
  /// A sentence for each rung, and one for the curves.
  var sentences: [String] {
    func share(_ value: Double?) -> String { value.map { String(format: "%.1f %%", 100 * $0) } ?? "unknown" }
    func rho(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "undefined" }
    var sentences = rungs.map { rung in
      "On the first \(rung.windows) fitness windows: rank correlation \(rho(rung.correlation)) with all of them, "
        + "error \(share(rung.error)) (root mean square), over \(candidates) candidates; \(rung.stopped) ended here."
    }
    if predicted > 0 {
      sentences.append(
        "Error curves alone: rank correlation \(rho(predictedCorrelation)) with all fitness windows, over "
          + "\(predicted) candidates."
          + (sumCorrelation.map { " Without what errors have together it is \(rho($0))." } ?? ""))
    }
    return sentences
  }
}
