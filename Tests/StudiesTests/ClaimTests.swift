import Foundation
import Search
import Testing

@testable import Studies

/// The life of claimed trials, on both databases.
@Suite struct ClaimTests {
  enum Backend: CaseIterable {
    case file
    case server
  }

  /// Both, or only the one that is there.
  static let backends = PostgresServer.isThere ? Backend.allCases : [.file]

  /// A study to search, and the same study opened by two workers.
  private final class Stage {
    let location: StudyLocation
    let study: Study
    let one: Study
    let two: Study
    private let scratch = Scratch()

    init(_ backend: Backend, trials: Int = 3) throws {
      location =
        switch backend {
        case .file: .folder(scratch.url)
        case .server: .server(try PostgresServer.database())
        }
      study = try Toy.create(at: location)
      one = try Study.open(location, name: "toy", access: .work, model: Toy.model)
      two = try Study.open(location, name: "toy", access: .work)
      try study.enqueue(try (0..<trials).map { try Stage.candidate($0) })
    }

    static func candidate(_ number: Int) throws -> Candidate {
      var genome = try Toy.space().space.lowest
      genome[1] = number % 5
      return Candidate(ordinal: number, genome: genome, origin: "test")
    }

    func states() throws -> [TrialState] { try study.trials().map(\.state) }
  }

  @Test(arguments: backends) func claimsDoNotOverlap(_ backend: Backend) throws {
    let stage = try Stage(backend)
    #expect(try stage.states() == [.waiting, .waiting, .waiting])
    #expect(try stage.one.claim(limit: 0, worker: "one").isEmpty)
    #expect(try stage.one.claim(limit: 2, worker: "one") == [Stage.candidate(0), Stage.candidate(1)])
    #expect(try stage.two.claim(limit: 2, worker: "two") == [Stage.candidate(2)])
    #expect(try stage.two.claim(limit: 2, worker: "two") == [])
    let trials = try stage.study.trials()
    #expect(trials.map(\.state) == [.running, .running, .running])
    #expect(trials.map(\.owner) == ["one", "one", "two"])
    #expect(trials.allSatisfy { $0.started != nil })
    // The searching process does not take them away, neither by opening the study again nor by adding the same
    // candidates again.
    try stage.study.enqueue([Stage.candidate(0), Stage.candidate(1)])
    try stage.study.close()
    let again = try Study.open(stage.location, name: "toy")
    #expect(try again.trials() == trials)
  }

  /// Six workers that do the same at the same moment.
  @Test(arguments: backends) func whoComesTogetherDoesNotCollide(_ backend: Backend) async throws {
    let stage = try Stage(backend, trials: 60)
    let location = stage.location
    func together<Value: Sendable>(_ body: @escaping @Sendable (Study, String) throws -> Value) async throws -> [Value]
    {
      try await withThrowingTaskGroup(of: Value.self) { group in
        for worker in 0..<6 {
          group.addTask { try body(Study.open(location, name: "toy", access: .work), "worker \(worker)") }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
    }
    let claims = try await together { study, worker in
      var numbers: [Int] = []
      while try study.trials().contains(where: { $0.state == .waiting }) {
        numbers += try study.claim(limit: 2, worker: worker).map(\.ordinal)
      }
      return numbers
    }
    #expect(claims.flatMap { $0 }.sorted() == Array(0..<60))
    let firsts = try await together { study, worker in
      try (0..<60).filter { try study.deliver($0, values: [Double($0), 1], worker: worker) }
    }
    #expect(firsts.flatMap { $0 }.sorted() == Array(0..<60))
    #expect(try stage.study.trials().map(\.values) == (0..<60).map { [Double($0), 1] })
  }

  @Test(arguments: backends) func resultsCountOnce(_ backend: Backend) throws {
    let stage = try Stage(backend)
    _ = try stage.one.claim(limit: 3, worker: "one")
    #expect(try stage.one.deliver(0, values: [1, 2.5], attributes: ["a": "1"], worker: "one"))
    #expect(try !stage.one.deliver(0, values: [1, 2.5], attributes: ["a": "2"], worker: "one"))
    #expect(try !stage.two.deliver(0, values: [1, 2.5], worker: "two"))
    #expect(try !stage.two.deliver(0, failure: "late", worker: "two"))
    let conflict = StudyError.conflictingResult(number: 0, stored: [1, 2.5], given: [1, 2])
    #expect(throws: conflict) { try stage.two.deliver(0, values: [1, 2], worker: "two") }
    #expect(conflict.description == "trial 0 has the result (1.0, 2.5); another evaluation gave (1.0, 2.0)")
    // Another processor sums up in another order.
    #expect(try !stage.two.deliver(0, values: [1.00001, 2.5], worker: "two"))
    // A measured time has no single value.
    #expect(try !stage.two.deliver(0, values: [7, 2.5], worker: "two", reproducible: [false, true]))
    #expect(throws: StudyError.self) {
      try stage.two.deliver(0, values: [7, 2.6], worker: "two", reproducible: [false, true])
    }
    #expect(try stage.study.trials()[0].values == [1, 2.5])
    #expect(try stage.one.deliver(1, failure: "no luck", worker: "one"))
    #expect(try !stage.two.deliver(1, values: [1, 2], worker: "two"))
    #expect(try stage.one.deliver(2, values: [.nan, 2], worker: "one"))
    #expect(throws: StudyError.wrongState(number: 7, state: nil, wanted: "completed")) {
      try stage.one.deliver(7, values: [1, 2], worker: "one")
    }
    #expect(throws: StudyError.wrongValueCount(number: 0, expected: 2, found: 1)) {
      try stage.one.deliver(0, values: [1], worker: "one")
    }
    let trials = try stage.study.trials()
    #expect(trials.map(\.state) == [.complete, .failed, .failed])
    #expect(trials.map(\.values) == [[1, 2.5], [], []])
    #expect(trials.map(\.failure) == [nil, "no luck", "an objective is nan"])
    #expect(trials[0].attributes == ["a": "1"])
  }

  @Test(arguments: backends) func leasesExpire(_ backend: Backend) throws {
    let stage = try Stage(backend)
    _ = try stage.one.claim(limit: 3, worker: "one")
    #expect(try stage.two.expire(lease: 30) == [])
    usleep(4_100_000)
    #expect(try stage.one.renew([0], worker: "one") == [0])
    #expect(try stage.two.renew([0], worker: "two") == [])
    #expect(try stage.two.expire(lease: 4) == [1, 2])
    #expect(try stage.states() == [.running, .waiting, .waiting])
    #expect(try stage.study.trials().map(\.owner) == ["one", nil, nil])
    #expect(try stage.one.renew([0, 1, 2], worker: "one") == [0])
    // A late result is as good as any, whether the trial waits or somebody else has it; a late failure is not.
    #expect(try stage.two.claim(limit: 1, worker: "two").map(\.ordinal) == [1])
    #expect(try !stage.one.deliver(1, failure: "late", worker: "one"))
    #expect(try !stage.one.deliver(2, failure: "late", worker: "one"))
    #expect(try stage.one.deliver(1, values: [1, 1], worker: "one"))
    #expect(try stage.one.deliver(2, values: [2, 2], worker: "one"))
    #expect(try !stage.two.deliver(1, values: [1, 1], worker: "two"))
    let trials = try stage.study.trials()
    #expect(trials.map(\.state) == [.running, .complete, .complete])
    #expect(trials.map(\.owner) == ["one", "one", "one"])
    #expect(trials.allSatisfy { $0.started != nil })
  }

  @Test(arguments: backends) func whatKillsItsWorkersFails(_ backend: Backend) throws {
    let stage = try Stage(backend, trials: 2)
    for _ in 0..<2 {
      _ = try stage.one.claim(limit: 1, worker: "one")
      #expect(try stage.states() == [.running, .waiting])
      usleep(20_000)
      #expect(try stage.two.expire(lease: 0.01, attempts: 3) == [0])
      #expect(try stage.states() == [.waiting, .waiting])
    }
    _ = try stage.one.claim(limit: 2, worker: "one")
    usleep(20_000)
    #expect(try stage.two.expire(lease: 0.01, attempts: 3) == [0, 1])
    #expect(try stage.study.trials().map(\.failure) == ["3 workers went away with it", nil])
    #expect(try stage.states() == [.failed, .waiting])
  }

  @Test(arguments: backends) func whoLeavesGivesBack(_ backend: Backend) throws {
    let stage = try Stage(backend)
    _ = try stage.one.claim(limit: 3, worker: "one")
    try stage.two.release([0, 1, 2], worker: "two")
    #expect(try stage.states() == [.running, .running, .running])
    try stage.one.release([1, 2], worker: "one")
    #expect(try stage.states() == [.running, .waiting, .waiting])
    #expect(try stage.two.claim(limit: 3, worker: "two").map(\.ordinal) == [1, 2])
  }

  @Test(arguments: backends) func rolesAreKept(_ backend: Backend) throws {
    let stage = try Stage(backend)
    let onlooker = try Study.open(stage.location, name: "toy", access: .inspect)
    let path = stage.study.description
    #expect(throws: StudyError.readOnly(path: path)) { try onlooker.claim(limit: 1, worker: "x") }
    #expect(throws: StudyError.notSearching(path: path)) { try stage.one.enqueue([Stage.candidate(3)]) }
    #expect(throws: StudyError.notSearching(path: path)) { try stage.one.releaseInterrupted() }
    #expect(throws: StudyError.notSearching(path: path)) { try stage.one.setAttributes(["a": "1"]) }
    let other = ModelIdentity(name: "other", fingerprint: "ffff")
    #expect(throws: StudyError.otherModel(path: path, stored: Toy.model, requested: other)) {
      try Study.open(stage.location, name: "toy", access: .work, model: other)
    }
    #expect(throws: StudyError.trialOutOfOrder(number: 9, expected: 3)) {
      try stage.study.enqueue([Stage.candidate(9)])
    }
    let changed = Candidate(ordinal: 0, genome: try Stage.candidate(1).genome, origin: "test")
    #expect(throws: StudyError.self) { try stage.study.enqueue([changed]) }
    // The searching process may evaluate, too, without a claim.
    try stage.study.beginTrials([Stage.candidate(0), Stage.candidate(3)])
    #expect(try stage.states() == [.running, .waiting, .waiting, .running])
    #expect(try stage.one.expire(lease: 0) == [])
    try stage.study.releaseInterrupted()
    #expect(try stage.states() == [.waiting, .waiting, .waiting, .waiting])
  }

  @Test(arguments: backends) func filesReachTheWorkers(_ backend: Backend) throws {
    let scratch = Scratch()
    let location: StudyLocation =
      backend == .file ? .folder(scratch.url) : .server(try PostgresServer.database())
    let content = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) })
    func create(_ name: String, _ files: [String: Data]) throws -> Study {
      let place = try StudyPlace(at: location, name: name)
      do {
        return try Study.create(
          in: place, name: name, directions: [.minimize], model: Toy.model, space: Toy.space().space, files: files)
      } catch {
        place.abandon()
        throw error
      }
    }
    // Nothing is left of a study that could not be made.
    for name in ["", "../a", ".hidden", "study.db", "study.db-wal", "study.lock"] {
      #expect(throws: StudyError.invalidFileName(name)) { try create("bad", ["a.json": content, name: content]) }
    }
    #expect(scratch.files == nil)
    let study = try create("good", ["calibration.json": content, "empty": Data()])
    let worker = try Study.open(location, name: "good", access: .work)
    #expect(try worker.file("calibration.json") == content)
    #expect(try worker.file("empty") == Data())
    #expect(try worker.file("other.json") == nil)
    #expect(throws: StudyError.invalidFileName("../a")) { try study.file("../a") }
  }

  @Test(arguments: backends) func aSearchWithWorkersEndsLikeOneWithout(_ backend: Backend) throws {
    let alone = Scratch()
    var reference = try StudyRunner(Toy.create(at: alone.url), Toy.optimizer())
    try Toy.run(&reference, until: 60)
    let stage = try Stage(backend, trials: 0)
    var runner = try StudyRunner(stage.study, Toy.optimizer())
    while runner.evaluations < 60 {
      try runner.enqueue(limit: 60 - runner.evaluations - runner.outstanding)
      let workers = [(stage.two, "two"), (stage.one, "one")]
      for (study, name) in workers {
        // The last ones first.
        for candidate in try study.claim(limit: 3, worker: name).reversed() {
          if candidate.ordinal % 11 == 7 {
            try study.deliver(candidate.ordinal, failure: "unlucky", worker: name)
          } else {
            try study.deliver(
              candidate.ordinal, values: Toy.objectives(candidate.genome), attributes: ["seconds": "0.5"], worker: name)
          }
        }
      }
      #expect(try !runner.collect().isEmpty)
    }
    #expect(runner.optimizer.front == reference.optimizer.front)
    #expect(try stage.study.trials().map(\.genome) == reference.study.trials().map(\.genome))
    #expect(try stage.study.trials().map(\.values) == reference.study.trials().map(\.values))
    try stage.study.close()
    let again = try StudyRunner(Study.open(stage.location, name: "toy"), Toy.optimizer())
    #expect(again.optimizer.front == reference.optimizer.front)
    #expect(again.outstanding == 0)
  }
}
