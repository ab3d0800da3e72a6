import Foundation
import Search

@testable import Studies

/// A study in its own place, and the operations on trials, one trial at a time.
extension Study {
  static func create(
    at location: StudyLocation, name: String, directions: [Direction], metricNames: [String]? = nil,
    model: ModelIdentity, space: DesignSpace, attributes: [String: String] = [:]
  ) throws(StudyError) -> Study {
    let place = try StudyPlace(at: location, name: name)
    do {
      return try create(
        in: place, name: name, directions: directions, metricNames: metricNames, model: model, space: space,
        attributes: attributes)
    } catch {
      place.abandon()
      throw error
    }
  }

  func beginTrial(number: Int, genome: Genome, origin: String) throws(StudyError) {
    try beginTrials([Candidate(ordinal: number, genome: genome, origin: origin)])
  }

  func complete(_ number: Int, values: [Double], attributes: [String: String] = [:]) throws(StudyError) {
    try end([Ending(number: number, values: values, failure: nil, attributes: attributes)])
  }

  func fail(_ number: Int, reason: String) throws(StudyError) {
    try end([Ending(number: number, failure: reason)])
  }
}

extension StudyRunner {
  mutating func complete(_ candidate: Candidate, values: [Double], attributes: [String: String] = [:]) throws {
    try complete([Result(candidate: candidate, values: values, attributes: attributes)])
  }

  mutating func fail(_ candidate: Candidate, reason: String) throws {
    try complete([Result(candidate: candidate, failure: reason)])
  }
}
