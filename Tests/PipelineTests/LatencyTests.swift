import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import Pipeline
@testable import Search

@Suite struct LatencyTests {
  private let model: URL
  private let configuration: ModelConfiguration
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("nas-search-tests-\(UUID().uuidString)")

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    model = tests.appendingPathComponent("Fixtures/models/llama3-gqa")
    configuration = try LanguageModel(model).configuration
  }

  private func table() throws -> LatencyTable {
    let shape = try LatencyTable.Shape(configuration)
    return LatencyTable(
      machine: "a machine", engine: "an engine", shape: shape,
      workloads: [
        .init(
          .generation, tokens: 32, rest: .init(seconds: 1e-5, spread: 1e-7),
          attention: (1...shape.kvGroups).map { .init(width: $0, seconds: 3.1e-6 * Double($0), spread: 1e-7) },
          mlp: [
            .init(width: 8, seconds: 2.3e-6, spread: 0), .init(width: shape.mlpChannels, seconds: 9.7e-6, spread: 0),
          ])
      ])
  }

  private func settings(_ change: (inout SearchSettings) -> Void) throws -> SearchSettings {
    var settings = SearchSettings(model: model.path)
    settings.spaceText = try SpaceLibrary.text("widths")
    (settings.latencyTable, settings.latency) = ("latency.json", try table())
    change(&settings)
    return settings
  }

  @Test func aTableIsWrittenAndReadBack() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("latency.json")
    let data = try LatencyFile.data(table())
    try data.write(to: file)
    #expect(try LatencyFile.read(file.path) == table())
    let text = String(decoding: data, as: UTF8.self)
    let wrong = [
      ("\"version\" : 1", "\"version\" : 2", "version 2"),
      ("nas-search.latency", "nas-search.report", "nas-search.report"),
      ("\"kv_groups\"", "\"groups\"", "'shape.kvGroups' is missing"),
      ("\"a machine\"", "7", "'machine' has a value of another kind"), ("{", "[", "no latency table"),
      ("\"width\" : 8", "\"width\" : 4096", "generation-32, mlp: the width"),
      ("\"width\" : 8", "\"width\" : 1.5", "'workloads[0].mlp[0].width' is 1.5, not an integer"),
      ("\"width\" : 8", "\"width\" : -8", "generation-32, mlp: the width -8 is negative"),
      ("9.7e-06", "NaN", "'workloads[0].mlp[1].seconds' is nan"), ("9.7e-06", "-1", "generation-32, mlp, width"),
    ]
    for (part, other, expected) in wrong {
      try text.replacing(part, with: other).write(to: file, atomically: true, encoding: .utf8)
      do {
        _ = try LatencyFile.read(file.path)
        Issue.record("\(other) is read")
      } catch PipelineError.damaged(let path, let problem) {
        #expect(path == file.path && problem.contains(expected), "\(problem)")
      }
    }
    #expect(throws: PipelineError.self) { try LatencyFile.read(folder.appendingPathComponent("none").path) }
  }

  /// Every genome of a space with a limit of time spends it, but for less than the cheapest step.
  @Test(arguments: [0.6, 0.8]) func aLimitOfTimeIsKept(share: Double) throws {
    let settings = try settings { $0.latencyShare = share }
    try settings.validate()
    let bound = try BoundSpace(settings.searchSpace(), to: configuration, calibrationSets: ["a"])
    let budgeted = try SearchGround.budgeted(bound, settings, LanguageModel(model))
    let latency = try #require(try settings.foretold())
    let limit = share * Double(latency.nanoseconds(of: configuration))
    #expect(budgeted.size(bound) == nil)
    var times: Set<Int> = []
    for stream in 0..<40 {
      var generator = SeededGenerator(seed: 1, stream: UInt64(stream))
      let genome = try budgeted.fit(bound.design.variables.map { $0.random(using: &generator) }, using: &generator)
      let layers = zip(bound.genes(genome).widths, configuration.layers).map { $0.shape(of: $1) }
      let time = latency.nanoseconds(of: configuration.with(layers: layers))
      #expect(Double(time) <= limit && budgeted.isAcceptable(genome))
      times.insert(time)
    }
    #expect(times.min().map { Double($0) > limit - 3200 } == true)
  }

  @Test func aLimitThatNothingMeetsIsRefused() throws {
    let settings = try settings { $0.latencyShare = 0.01 }
    let bound = try BoundSpace(settings.searchSpace(), to: configuration, calibrationSets: ["a"])
    #expect(throws: PipelineError.self) { try SearchGround.budgeted(bound, settings, LanguageModel(model)) }
  }

  @Test func settingsOfTimeNeedATable() throws {
    try settings { $0.objectives = ["kl", "latency"] }.validate()
    for wrong in [
      try settings { ($0.latency, $0.objectives) = (nil, ["kl", "latency"]) },
      try settings { ($0.latency, $0.latencyShare) = (nil, 0.7) },
      try settings { ($0.latency, $0.latencyWorkload) = (nil, "generation-32") },
      try settings { $0.latencyWorkload = "prompt-32" }, try settings { $0.latencyShare = 1.5 },
      try settings { ($0.latencyShare, $0.target) = (0.7, .keep(0.7)) },
      try settings { ($0.latencyShare, $0.aim) = (0.7, 0.8) },
      try settings { $0.latency?.workloads = [] },
    ] { #expect(throws: PipelineError.self) { try wrong.validate() } }
  }

  /// A study goes on with the table that it was made with, and only with this one.
  @Test func anotherTableIsAnotherSearch() throws {
    let one = try settings { _ in }
    let other = try settings { $0.latency?.workloads[0].rest.seconds = 2e-5 }
    #expect(one.difference(to: other) == "the latency table has changed")
  }

  /// A stop of the machine in one round changes neither the median nor the spread of the middle half.
  @Test func spreadsAreOfTheMiddleHalf() {
    let found = Spread([5, 1, 2, 4, 3])
    #expect(found.median == 3 && found.halfRange == 1)
    #expect(Spread([500, 1, 2, 4, 3]).median == 3 && Spread([500, 1, 2, 4, 3]).halfRange == 1)
    #expect(Spread([1, 2]).median == 1.5 && Spread([7]).halfRange == 0 && Spread([]).median == 0)
  }

  @Test func measurementsThatCannotBeMadeAreRefused() throws {
    let context = JobContext(cache: folder, memory: MemoryPlan(), toolVersion: "0")
    let wrong: [(inout LatencyRequest) -> Void] = [
      { ($0.contexts, $0.prompts) = ([], []) }, { $0.contexts = [0] }, { $0.prompts = [8, 8] }, { $0.batches = [] },
      { $0.widths = 0 }, { $0.rounds = 2 }, { $0.prompts = [1 << 20] }, { $0.contexts = [1 << 19] },
    ]
    for (number, change) in wrong.enumerated() {
      var request = LatencyRequest(model: model.path)
      change(&request)
      #expect(throws: PipelineError.self, "\(number)") { try LatencyJob(request, in: context).run() }
    }
  }
}
