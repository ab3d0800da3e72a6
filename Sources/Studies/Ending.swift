/// The end of a trial.
struct Ending: Sendable {
  enum Outcome: Sendable {
    case values([Double])
    case failure(String)
  }

  let number: Int
  let outcome: Outcome
  /// User attributes; each value is a JSON text.
  let attributes: [String: String]
}

extension Ending {
  /// The end of an evaluation: a failure if a value is not finite, because no optimiser can go on from there.
  init(number: Int, measured values: [Double], attributes: [String: String]) {
    let reason = values.first { !$0.isFinite }.map { "an objective is \($0)" }
    self.init(number: number, outcome: reason.map { .failure($0) } ?? .values(values), attributes: attributes)
  }

  /// The values of a result; none for a failure.
  var values: [Double] {
    if case .values(let values) = outcome { values } else { [] }
  }

  /// The reason of a failure.
  var failure: String? {
    if case .failure(let reason) = outcome { reason } else { nil }
  }

  var isFailure: Bool { failure != nil }

  var state: TrialState { isFailure ? .failed : .complete }

  /// The intended action on the trial, for errors.
  var wanted: String { isFailure ? "failed" : "completed" }

  /// The attributes with the reason of a failure.
  func allAttributes() throws(StudyError) -> [String: String] {
    guard case .failure(let reason) = outcome else { return attributes }
    return attributes.merging([Study.Key.failure: try JSONText.encode(reason)]) { $1 }
  }

  /// - Throws: `StudyError.wrongValueCount`, `.notANumber`, `.invalidJSON`.
  func check(objectives: Int) throws(StudyError) {
    if !isFailure {
      if values.count != objectives {
        throw .wrongValueCount(number: number, expected: objectives, found: values.count)
      }
      if values.contains(where: \.isNaN) { throw .notANumber(number: number) }
    }
    try JSONText.check(attributes)
  }
}
