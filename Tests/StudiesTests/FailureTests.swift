import Foundation
import Search
import Testing

@testable import Studies

/// Candidates that fail on purpose.
@Suite struct FailureTests {
  private struct Unlucky: Error, CustomStringConvertible {
    let description: String
  }

  @Test func aBadCandidateSpoilsItsOwnResultOnly() throws {
    var asked: [[Int]] = []
    let found = try CandidateFailure.caught([1, 2, 3, 4]) { numbers in
      asked.append(numbers)
      if numbers.contains(3) { throw Unlucky(description: "three") }
      return numbers.map { 10 * $0 }
    }
    #expect(found == [.success(10), .success(20), .failure(CandidateFailure(reason: "three")), .success(40)])
    #expect(asked == [[1, 2, 3, 4], [1], [2], [3], [4]])
    #expect(try CandidateFailure.caught([1, 2]) { $0 } == [.success(1), .success(2)])
  }

  @Test func someErrorsEndTheWork() {
    #expect(throws: CancellationError.self) {
      try CandidateFailure.caught([1, 2]) { _ -> [Int] in throw CancellationError() }
    }
    #expect(throws: Unlucky.self) {
      try CandidateFailure.caught(
        [1, 2], isFatal: { $0 is Unlucky }, evaluate: { _ -> [Int] in throw Unlucky(description: "no file") })
    }
  }

  @Test func aQuarterOfAGenerationIsTooMany() throws {
    var rule = FailureRule(generation: 12)
    try rule.note([nil, "a", nil, "b", nil, nil, nil, "c", nil, nil, nil, nil])
    // The four of the last twelve are more than a quarter.
    let stop = TooManyFailures(failed: 4, candidates: 12, reason: "a")
    #expect(throws: stop) { try rule.note(["d"]) }
    #expect("\(stop)" == "4 of the last 12 candidates failed, so the search stops; the first reason: a")
  }

  @Test func failuresLongAgoDoNotCount() throws {
    var rule = FailureRule(generation: 4)
    try rule.note(["a", nil, "b", nil])
    for _ in 0..<10 { try rule.note([nil, nil, nil, "c"]) }
    #expect(throws: TooManyFailures.self) { try rule.note(["d", "e", "f", nil]) }
  }

  @Test func aSearchWithoutAnyResultStops() throws {
    var rule = FailureRule(generation: 100)
    try rule.note(["a", "b"])
    #expect(throws: TooManyFailures(failed: 2, candidates: 2, reason: "a")) { try rule.end() }
    #expect(throws: TooManyFailures(failed: 3, candidates: 3, reason: "a")) { try rule.note(["c"]) }
    var resumed = FailureRule(generation: 100, hasResults: true)
    try resumed.note(["a", "b", "c"])
    try resumed.end()
  }

  /// The search goes on, and the study says which candidates failed and why.
  @Test func failuresAreStoredAndTheSearchGoesOn() throws {
    let scratch = Scratch()
    var runner = try StudyRunner(Toy.create(at: scratch.url), Toy.optimizer())
    func isBad(_ genome: Genome) -> Bool { genome[1] == 2 && genome[3] < 3 }
    var rule = FailureRule(generation: 100)
    while runner.evaluations < 60 {
      let batch = try runner.next(limit: min(10, 60 - runner.evaluations))
      let found = try CandidateFailure.caught(batch) { candidates in
        try candidates.map { candidate in
          if isBad(candidate.genome) { throw Unlucky(description: "bad \(candidate.ordinal)") }
          return try Toy.objectives(candidate.genome)
        }
      }
      try rule.note(
        runner.complete(
          zip(batch, found).map { candidate, found in
            switch found {
            case .success(let values): .init(candidate: candidate, values: values)
            case .failure(let failure): .init(candidate: candidate, failure: failure.reason)
            }
          }))
    }
    let trials = try runner.study.trials()
    let failed = trials.filter { $0.state == .failed }
    #expect(trials.count == 60 && !failed.isEmpty && failed.count < 60)
    for trial in trials {
      #expect((trial.state == .failed) == isBad(trial.genome))
      #expect(trial.failure == (isBad(trial.genome) ? "bad \(trial.number)" : nil))
    }
    #expect(runner.optimizer.failures == failed.count)
    #expect(runner.optimizer.front.allSatisfy { !isBad($0.candidate.genome) })
  }
}
