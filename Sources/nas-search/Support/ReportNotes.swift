import Foundation
import Pipeline

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
          + "\(predicted) candidates.")
    }
    return sentences
  }
}
