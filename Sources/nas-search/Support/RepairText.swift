import Foundation
import Reformation

extension SequentialReformation.Step {
  /// How many projections were fitted anew, and what that gained on held-out windows.
  static func summary(_ steps: [SequentialReformation.Step]) -> String {
    let errors = steps.filter { $0.damping != nil }.map(\.heldOutError).sorted()
    let gain =
      errors.isEmpty
      ? ""
      : String(
        format: ": their held-out error fell to %.2f × in the median (%.2f to %.2f)", errors[errors.count / 2],
        errors[0], errors[errors.count - 1])
    return "sequential repair: \(errors.count) of \(steps.count) projections fitted anew\(gain)"
  }
}
