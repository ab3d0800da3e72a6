import Foundation
import Search
import Studies
import Testing

@Suite struct ResumeTests {
  /// The reference: 100 candidates without an interruption.
  private func uninterrupted() throws -> (trials: [StoredTrial], front: [EvaluatedCandidate]) {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    var runner = try StudyRunner(study, Toy.optimizer())
    try Toy.run(&runner, until: 100)
    return (try study.trials(), runner.optimizer.front)
  }

  private func expectEqual(_ trials: [StoredTrial], _ reference: [StoredTrial]) {
    #expect(trials.map(\.number) == reference.map(\.number))
    #expect(trials.map(\.genome) == reference.map(\.genome))
    #expect(trials.map(\.origin) == reference.map(\.origin))
    #expect(trials.map(\.state) == reference.map(\.state))
    #expect(trials.map(\.values) == reference.map(\.values))
    #expect(trials.map(\.attributes) == reference.map(\.attributes))
  }

  @Test func aResumedStudyEndsLikeAnUninterruptedOne() throws {
    let reference = try uninterrupted()
    #expect(reference.trials.count == 100)
    #expect(reference.trials.count { $0.state == .failed } == 9)
    let scratch = Scratch()
    try Toy.create(at: scratch.url).close()
    var front: [EvaluatedCandidate] = []
    for until in [0, 3, 16, 17, 61, 100] {
      let study = try Study.open(.folder(scratch.url), model: Toy.model)
      var runner = try StudyRunner(study, Toy.optimizer())
      try Toy.run(&runner, until: until)
      front = runner.optimizer.front
      if until == 100 { expectEqual(try study.trials(), reference.trials) }
      try study.close()
    }
    #expect(front == reference.front)
  }

  @Test func killedTrialsAreBegunAgain() throws {
    let reference = try uninterrupted()
    let scratch = Scratch()
    try Toy.create(at: scratch.url).close()
    // Each run dies with a batch begun, of which it finished some: the later ones first.
    for (until, batch, finished) in [(4, 6, 2), (10, 6, 0), (30, 2, 1), (50, 20, 4)] {
      let study = try Study.open(.folder(scratch.url))
      var runner = try StudyRunner(study, Toy.optimizer())
      try Toy.run(&runner, until: until)
      let candidates = try runner.next(limit: batch)
      for candidate in candidates.suffix(finished) { try Toy.evaluate(candidate, with: &runner) }
      let running = try study.trials().filter { $0.state == .running }
      #expect(running.count == candidates.count - min(finished, candidates.count))
      // Not closed: the lock and the database go with the objects, as they would with the process.
    }
    let study = try Study.open(.folder(scratch.url))
    let waiting = try study.trials().filter { $0.state == .waiting }
    var runner = try StudyRunner(study, Toy.optimizer())
    #expect(runner.interrupted.map(\.ordinal) == waiting.map(\.number))
    #expect(!waiting.isEmpty)
    try Toy.run(&runner, until: 100)
    expectEqual(try study.trials(), reference.trials)
    #expect(runner.optimizer.front == reference.front)
  }

  @Test func anInterruptedTrialKeepsItsGenome() throws {
    let scratch = Scratch()
    var genome = try Toy.space().space.lowest
    do {
      let study = try Toy.create(at: scratch.url)
      try study.beginTrial(number: 0, genome: genome, origin: "x")
    }
    let study = try Study.open(.folder(scratch.url))
    let stored = genome
    genome[0] = 1
    #expect(throws: StudyError.genomeChanged(number: 0, stored: stored, given: genome)) {
      try study.beginTrial(number: 0, genome: genome, origin: "x")
    }
    #expect(throws: StudyError.wrongState(number: 0, state: .waiting, wanted: "completed")) {
      try study.complete(0, values: [1, 2])
    }
  }

  @Test func otherSettingsAreNoticed() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    var runner = try StudyRunner(study, Toy.optimizer())
    try Toy.run(&runner, until: 40)
    // Another seed differs from the second candidate on, the first being the given one.
    #expect(throws: StudyError.otherSettings(path: scratch.url.path, trial: 1)) {
      try StudyRunner(study, Toy.optimizer(seed: 2))
    }
    // A larger population has the same beginning, and then needs results before the study has them.
    var settings = NSGA2.Settings()
    settings.population = 4
    let small = try NSGA2(Toy.space(), objectives: 2, seed: 1, settings: settings)
    #expect(throws: StudyError.self) { try StudyRunner(study, small) }
  }

  @Test func maximizedObjectivesAreTurnedRound() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url, directions: [.maximize, .minimize])
    var runner = try StudyRunner(study, Toy.optimizer())
    let candidate = try #require(try runner.next(limit: 1).first)
    try runner.complete(candidate, values: [3, 4])
    #expect(try study.trials()[0].values == [3, 4])
    #expect(runner.optimizer.evaluated[0].objectives == [-3, 4])
    let again = try StudyRunner(study, Toy.optimizer())
    #expect(again.optimizer.evaluated == runner.optimizer.evaluated)
  }

  @Test func valuesThatAreNoNumbersAreFailures() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    var runner = try StudyRunner(study, Toy.optimizer())
    for candidate in try runner.next(limit: 2) {
      try runner.complete(candidate, values: [candidate.ordinal == 0 ? .nan : .infinity, 1], attributes: ["a": "1"])
    }
    #expect(try study.trials().map(\.failure) == ["an objective is nan", "an objective is inf"])
    #expect(runner.optimizer.failures == 2)
    #expect(runner.evaluations == 2)
    #expect(try runner.next(limit: 0).isEmpty)
  }
}
