/// The end of a trial.
struct Ending: Sendable {
  let number: Int
  /// The values of a result; none for a failure.
  let values: [Double]
  /// The reason of a failure; `nil` for a result.
  let failure: String?
  /// User attributes; each value is a JSON text.
  let attributes: [String: String]
}

extension Ending {
  /// The end of an evaluation: a failure if a value is not finite, because no optimiser can go on from there.
  init(number: Int, measured values: [Double], attributes: [String: String]) {
    let failure = values.first { !$0.isFinite }.map { "an objective is \($0)" }
    self.init(number: number, values: failure == nil ? values : [], failure: failure, attributes: attributes)
  }

  init(number: Int, failure reason: String, attributes: [String: String] = [:]) {
    self.init(number: number, values: [], failure: reason, attributes: attributes)
  }

  var state: TrialState { failure == nil ? .complete : .failed }

  /// The intended action on the trial, for errors.
  var wanted: String { failure == nil ? "completed" : "failed" }

  /// The attributes with the reason of a failure.
  func allAttributes() throws(StudyError) -> [String: String] {
    guard let failure else { return attributes }
    return attributes.merging([Study.Key.failure: try JSONText.encode(failure)]) { $1 }
  }

  /// - Throws: `StudyError.wrongValueCount`, `.notANumber`, `.invalidJSON`.
  func check(objectives: Int) throws(StudyError) {
    if failure == nil && values.count != objectives {
      throw .wrongValueCount(number: number, expected: objectives, found: values.count)
    }
    if values.contains(where: \.isNaN) { throw .notANumber(number: number) }
    try JSONText.check(attributes)
  }
}
