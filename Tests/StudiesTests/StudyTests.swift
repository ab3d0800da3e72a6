import Foundation
import Search
import Testing

@testable import Studies

@Suite struct StudyTests {
  @Test func aNewStudyIsWholeAndReadsBack() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    #expect(study.directions == [.minimize, .minimize])
    try study.close()
    #expect(scratch.files == ["study.db", "study.lock"])
    let again = try Study.open(.folder(scratch.url), model: Toy.model, space: Toy.space().space)
    #expect(again.name == "toy")
    #expect(again.space == (try Toy.space().space))
    #expect(again.model == Toy.model)
    #expect(try again.attribute("seed") == "1")
    #expect(try again.attribute("none") == nil)
    try again.setAttributes(["seed": "2", "note": #"{"a":[1,null]}"#])
    #expect(try again.attributes().keys.sorted() == ["model", "note", "seed", "space"])
    #expect(try again.attribute("seed") == "2")
    #expect(try again.trials() == [])
  }

  @Test func trialsReadBack() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    let genome = try Toy.space().space.highest
    let before = Date()
    try study.beginTrial(number: 0, genome: genome, origin: "uniform")
    #expect(try study.trials().map(\.state) == [.running])
    try study.complete(0, values: [0.1, .infinity], attributes: ["perplexity": "30.25", "kept": "[1,2]"])
    try study.beginTrial(number: 1, genome: Toy.space().space.lowest, origin: "curve \"1\"")
    try study.fail(1, reason: "out of\nmemory")
    let trials = try study.trials()
    #expect(trials.map(\.number) == [0, 1])
    #expect(trials.map(\.state) == [.complete, .failed])
    #expect(trials[0].genome == genome)
    #expect(trials[0].origin == "uniform")
    #expect(trials[0].values == [0.1, .infinity])
    #expect(trials[0].attributes == ["perplexity": "30.25", "kept": "[1,2]"])
    #expect(trials[1].origin == "curve \"1\"")
    #expect(trials[1].values == [])
    #expect(trials[1].failure == "out of\nmemory")
    let started = try #require(trials[0].started)
    let ended = try #require(trials[0].ended)
    #expect(abs(started.timeIntervalSince(before)) < 60)
    #expect(ended >= started)
  }

  @Test func trialsFollowTheRules() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    let genome = try Toy.space().space.lowest
    #expect(throws: StudyError.trialOutOfOrder(number: 1, expected: 0)) {
      try study.beginTrial(number: 1, genome: genome, origin: "")
    }
    #expect(throws: StudyError.self) { try study.beginTrial(number: 0, genome: [1], origin: "") }
    #expect(throws: StudyError.wrongState(number: 0, state: nil, wanted: "completed")) {
      try study.complete(0, values: [1, 2])
    }
    try study.beginTrial(number: 0, genome: genome, origin: "")
    #expect(throws: StudyError.wrongState(number: 0, state: .running, wanted: "begun")) {
      try study.beginTrial(number: 0, genome: genome, origin: "")
    }
    #expect(throws: StudyError.wrongValueCount(number: 0, expected: 2, found: 1)) {
      try study.complete(0, values: [1])
    }
    #expect(throws: StudyError.notANumber(number: 0)) { try study.complete(0, values: [1, .nan]) }
    #expect(throws: StudyError.invalidJSON(key: "a")) {
      try study.complete(0, values: [1, 2], attributes: ["a": "not json"])
    }
    try study.complete(0, values: [1, 2])
    #expect(throws: StudyError.wrongState(number: 0, state: .complete, wanted: "failed")) {
      try study.fail(0, reason: "")
    }
    // A batch begins as a whole or not at all.
    #expect(throws: StudyError.trialOutOfOrder(number: 3, expected: 2)) {
      try study.beginTrials([
        Candidate(ordinal: 1, genome: genome, origin: ""), Candidate(ordinal: 3, genome: genome, origin: ""),
      ])
    }
    #expect(try study.trials().count == 1)
  }

  // MARK: - Whose study it is

  @Test func anotherModelOrSpaceIsRefused() throws {
    let scratch = Scratch()
    try Toy.create(at: scratch.url).close()
    let other = ModelIdentity(name: "other", fingerprint: "ffff")
    let path = scratch.url.path
    let error = #expect(throws: StudyError.self) { try Study.open(.folder(scratch.url), model: other) }
    #expect(
      error?.description
        == "the study in \(path) was made for toy (fingerprint 0123abcd), not for other (fingerprint ffff)")
    // The same weights under another name are the same model.
    let renamed = ModelIdentity(name: "copy", fingerprint: Toy.model.fingerprint)
    try Study.open(.folder(scratch.url), model: renamed).close()

    let variables = try Toy.space().space.variables
    let fewer = try DesignSpace(Array(variables.dropLast()))
    #expect(throws: StudyError.otherSpace(path: path, difference: "it has 13 variables, not 12")) {
      try Study.open(.folder(scratch.url), space: fewer)
    }
    let wider = try DesignSpace(
      variables.dropLast() + [Variable(name: "layers.5.mlp", domain: .integer(low: 0, high: 1, step: 1), segment: 5)])
    #expect(throws: StudyError.otherSpace(path: path, difference: "'layers.5.mlp' is declared differently")) {
      try Study.open(.folder(scratch.url), space: wider)
    }
    let renamedVariable = try DesignSpace([Variable(name: "x", domain: .categorical(["a"]))] + variables.dropFirst())
    #expect(throws: StudyError.otherSpace(path: path, difference: "it has 'score' where 'x' is asked for")) {
      try Study.open(.folder(scratch.url), space: renamedVariable)
    }
    // None of these kept the lock.
    try Study.open(.folder(scratch.url)).close()
  }

  @Test func oneProcessAtATimeWrites() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    let inUse = StudyError.inUse(path: scratch.url.path, process: Int(getpid()))
    #expect(throws: inUse) { try Study.open(.folder(scratch.url)) }
    #expect(throws: inUse) { try Toy.create(at: scratch.url) }
    // Looking on is allowed, changing is not.
    let onlooker = try Study.open(.folder(scratch.url), access: .inspect)
    try study.beginTrial(number: 0, genome: study.space.lowest, origin: "uniform")
    #expect(try onlooker.trials().map(\.state) == [.running])
    #expect(throws: StudyError.readOnly(path: scratch.url.path)) { try onlooker.setAttributes(["a": "1"]) }
    try onlooker.close()
    try study.close()
    let next = try Study.open(.folder(scratch.url))
    #expect(try next.trials().map(\.state) == [.waiting])
  }

  @Test func aStudyIsNotMadeTwice() throws {
    let scratch = Scratch()
    try Toy.create(at: scratch.url).close()
    #expect(throws: StudyError.alreadyExists(path: scratch.url.path)) { try Toy.create(at: scratch.url) }
    try Study.open(.folder(scratch.url)).close()
  }

  @Test func senselessStudiesLeaveNothingBehind() throws {
    let scratch = Scratch()
    let space = try Toy.space().space
    func create(
      name: String = "n", directions: [Direction] = [.minimize], metrics: [String]? = nil,
      attributes: [String: String] = [:]
    ) throws {
      _ = try Study.create(
        at: .folder(scratch.url), name: name, directions: directions, metricNames: metrics, model: Toy.model,
        space: space,
        attributes: attributes)
    }
    #expect(throws: StudyError.self) { try create(name: "") }
    #expect(throws: StudyError.self) { try create(directions: []) }
    #expect(throws: StudyError.self) { try create(metrics: ["a", "b"]) }
    #expect(throws: StudyError.self) { try create(attributes: ["model": "1"]) }
    #expect(throws: StudyError.invalidJSON(key: "x")) { try create(attributes: ["x": "{"]) }
    #expect(scratch.files == nil)
    #expect(throws: StudyError.self) {
      try Study.create(
        at: .folder(URL(fileURLWithPath: "/dev/null/study")), name: "n", directions: [.minimize], model: Toy.model,
        space: space)
    }
  }

  // MARK: - Broken files

  @Test func missingAndForeignFilesAreNamed() throws {
    let scratch = Scratch()
    #expect(throws: StudyError.missing(path: scratch.url.path)) { try Study.open(.folder(scratch.url)) }
    #expect(scratch.files == nil)
    try FileManager.default.createDirectory(at: scratch.url, withIntermediateDirectories: true)
    let file = scratch.url.appendingPathComponent(Study.fileName)

    try Data("this is not a database, whatever its name says. ".utf8 + Array(repeating: 7, count: 4096)).write(to: file)
    let garbage = #expect(throws: StudyError.self) { try Study.open(.folder(scratch.url)) }
    #expect(garbage?.description == "the study database \(file.path) is damaged: file is not a database")

    try Data().write(to: file)
    #expect(throws: StudyError.unsupportedSchema(path: file.path, found: nil, expected: "v3.2.0.a")) {
      try Study.open(.folder(scratch.url))
    }
  }

  @Test func damagedStudiesAreNamed() throws {
    let scratch = Scratch()
    let study = try Toy.create(at: scratch.url)
    for number in 0..<40 { try study.beginTrial(number: number, genome: study.space.lowest, origin: "x") }
    try study.close()
    let file = scratch.url.appendingPathComponent(Study.fileName)
    let whole = try Data(contentsOf: file)
    try whole.prefix(whole.count / 2).write(to: file)
    let error = #expect(throws: StudyError.self) { _ = try Study.open(.folder(scratch.url)).trials() }
    guard case .corrupt(file.path, _) = error else {
      Issue.record("unexpected: \(String(describing: error))")
      return
    }
  }

  @Test func contradictionsInsideAreNamed() throws {
    let genome = try Toy.space().space.lowest
    func opened(after sql: String) throws -> [StoredTrial] {
      let scratch = Scratch()
      let study = try Toy.create(at: scratch.url)
      try study.beginTrial(number: 0, genome: genome, origin: "x")
      try study.complete(0, values: [1, 2])
      try study.close()
      try scratch.execute(sql)
      return try Study.open(.folder(scratch.url)).trials()
    }
    #expect(try opened(after: "UPDATE studies SET study_name = 'renamed'").count == 1)
    #expect(try opened(after: "INSERT INTO studies (study_name) VALUES ('of Optuna')").count == 1)
    for sql in [
      "UPDATE alembic_version SET version_num = 'v9'", "DELETE FROM studies",
      "DELETE FROM study_user_attributes",
      "UPDATE study_user_attributes SET value_json = '[]' WHERE key = 'model'",
      "UPDATE study_directions SET direction = 'SIDEWAYS'", "UPDATE trials SET state = 'LOST'",
      "DELETE FROM trial_params WHERE param_name = 'score'", "UPDATE trial_params SET param_value = 0.5",
      "UPDATE trial_params SET param_value = 7 WHERE param_name = 'score'", "DELETE FROM trial_values",
      "DROP TABLE trial_values",
    ] {
      #expect(throws: StudyError.self, "\(sql)") { try opened(after: sql) }
    }
  }

  /// As in Optuna, a trial has no parameter that is not active in it.
  @Test func parametersThatAreNotActiveAreNotStored() throws {
    let space = try DesignSpace([
      Variable(name: "score", domain: .categorical(["a", "b"])),
      Variable(
        name: "aggregation", domain: .categorical(["sum", "max"]), condition: .init("score", isOneOf: ["b"])),
    ])
    let scratch = Scratch()
    let study = try Study.create(
      at: .folder(scratch.url), name: "toy", directions: [.minimize], metricNames: ["loss"], model: Toy.model,
      space: space, attributes: [:])
    let genomes = [[0, 0], [1, 1], [1, 0]]
    for (number, genome) in genomes.enumerated() { try study.beginTrial(number: number, genome: genome, origin: "x") }
    #expect(throws: StudyError.self) { try study.beginTrial(number: 3, genome: [0, 1], origin: "x") }
    try study.close()
    #expect(try Study.open(.folder(scratch.url)).trials().map(\.genome) == genomes)
    try scratch.execute(
      "UPDATE trials SET state = CASE (SELECT COUNT(*) FROM trial_params) WHEN 5 THEN 'RUNNING' ELSE 'LOST' END")
    #expect(try Study.open(.folder(scratch.url)).trials().count == 3)
  }

  // MARK: - Details of the format

  @Test func datesKeepMicroseconds() throws {
    for seconds in [0.25, -0.75, 1_780_000_000.000001, 951_782_400.999999] {
      let date = Date(timeIntervalSince1970: seconds)
      let back = try #require(OptunaDate.date(OptunaDate.text(date)))
      #expect(abs(back.timeIntervalSince(date)) < 5e-7)
    }
    #expect(OptunaDate.text(Date()).count == 26)
    #expect(OptunaDate.date("2026-11-23 20:45:13") != nil)
    #expect(OptunaDate.date("yesterday") == nil)
    #expect(OptunaDate.date("") == nil)
  }

  @Test func distributionsAreOptunas() throws {
    let width = try Variable(name: "w", domain: .integer(low: 32, high: 100, step: 32))
    #expect(
      OptunaDistribution.text(of: width)
        == #"{"attributes":{"high":96,"log":false,"low":32,"step":32},"name":"IntDistribution"}"#)
    let choice = try Variable(name: "c", domain: .categorical(["a/b", "\"q\""]))
    #expect(
      OptunaDistribution.text(of: choice)
        == #"{"attributes":{"choices":["a/b","\"q\""]},"name":"CategoricalDistribution"}"#)
  }

  @Test func jsonTexts() throws {
    #expect(try JSONText.encode(["b": 1, "a": 2]) == #"{"a":2,"b":1}"#)
    #expect(try JSONText.encode("x") == #""x""#)
    #expect(throws: StudyError.invalidJSON(key: "k")) { try JSONText.encode(Double.nan, key: "k") }
    #expect(try JSONText.decode([Int].self, from: "[1,2]") == [1, 2])
    #expect(throws: StudyError.invalidJSON(key: "k")) { try JSONText.decode(Int.self, from: "\"1\"", key: "k") }
  }
}
