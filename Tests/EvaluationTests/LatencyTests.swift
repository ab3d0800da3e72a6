import Foundation
import LanguageModels
import Search
import Subnets
import TestSupport
import Testing

@testable import Evaluation

@Suite struct LatencyTests {
  private let configuration: ModelConfiguration

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    configuration = try LanguageModel(tests.appendingPathComponent("Fixtures/models/llama3-gqa")).configuration
  }

  /// A table whose attention takes 1 µs and 0.2 µs a group, and whose MLP takes a tenth of a µs for each started 16 channels.
  private func table() throws -> LatencyTable {
    let shape = try LatencyTable.Shape(configuration)
    let tiles = stride(from: 1, through: shape.mlpChannels, by: 1).map { channels in
      LatencyTable.WidthTime(width: channels, seconds: 1e-7 * Double((channels + 15) / 16), spread: 1e-9)
    }
    let groups = (1...shape.kvGroups).map {
      LatencyTable.WidthTime(width: $0, seconds: 1e-6 + 2e-7 * Double($0), spread: 1e-8)
    }
    return LatencyTable(
      machine: "a machine", engine: "an engine", shape: shape,
      workloads: [
        .init(.prompt, tokens: 64, rest: .init(seconds: 1e-3, spread: 0), attention: groups, mlp: tiles),
        .init(.generation, tokens: 32, batch: 4, rest: .init(seconds: 1e-4, spread: 0), attention: groups, mlp: tiles),
        .init(.generation, tokens: 32, rest: .init(seconds: 2e-5, spread: 0), attention: groups, mlp: tiles),
      ])
  }

  private func changed(_ change: (inout LatencyTable) -> Void) throws -> LatencyTable {
    var table = try table()
    change(&table)
    return table
  }

  @Test func betweenMeasuredWidthsLieLines() {
    let curve = LatencyCurve([(2, 0.25), (6, 0.75), (8, 1.5)].map { .init(width: $0.0, seconds: $0.1, spread: 0) })
    #expect((0...9).map(curve.seconds) == [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.125, 1.5, 1.5])
    // What a module without units takes may be measured, too.
    let measured = LatencyCurve([(0, 0.5), (2, 0.75)].map { .init(width: $0.0, seconds: $0.1, spread: 0) })
    #expect((0...2).map(measured.seconds) == [0.5, 0.625, 0.75])
  }

  /// The fit is the projection onto what never falls: it keeps the mean, is its own fit, and no other rising sequence of a
  /// grid is nearer.
  @Test func moreUnitsNeverTakeLessTime() {
    #expect(LatencyCurve.rising([1, 2, 2, 5]) == [1, 2, 2, 5])
    #expect(LatencyCurve.rising([3, 1, 2, 2.5]) == [2, 2, 2, 2.5])
    #expect(LatencyCurve.rising([1, 4, 2, 0]) == [1, 2, 2, 2] && LatencyCurve.rising([]) == [])
    let values = [2.0, 0, 3, 1]
    let fitted = LatencyCurve.rising(values)
    func distance(_ other: [Double]) -> Double { zip(values, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
    #expect(fitted.reduce(0, +) == 6 && LatencyCurve.rising(fitted) == fitted)
    let grid = stride(from: 0.0, through: 3, by: 0.25).map { $0 }
    for a in grid {
      for b in grid where b >= a {
        for c in grid where c >= b {
          for d in grid where d >= c { #expect(distance([a, b, c, d]) >= distance(fitted)) }
        }
      }
    }
  }

  /// The objective's value, its cost in a space and the sum over modules by hand are one number.
  @Test func timesAreSumsOverModules() throws {
    let latency = try Latency(table())
    #expect(latency.workload.name == "generation-32")
    var subnet = configuration
    subnet.layers[0] = LayerShape(queryHeads: configuration.layers[0].queriesPerGroup, kvHeads: 1, mlpChannels: 17)
    var expected = 20_000
    for layer in subnet.layers { expected += 1000 + 200 * layer.kvHeads + 100 * ((layer.mlpChannels + 15) / 16) }
    #expect(latency.value(of: EvaluatedSubnet(subnet, of: configuration)) == Double(expected))
    for name in ["widths", "uniform", "blocks"] {
      let space = try SearchSpace(yaml: SearchSpace.text(ofShipped: name), file: name, scores: nil)
      let bound = try BoundSpace(space, to: configuration, calibrationSets: ["a"])
      let cost = try #require(latency.cost(in: bound))
      try cost.validate(for: bound.design)
      for genome in [bound.design.lowest, bound.design.highest] {
        let layers = zip(bound.genes(genome).widths, configuration.layers).map { $0.shape(of: $1) }
        #expect(cost.cost(genome) == latency.nanoseconds(of: configuration.with(layers: layers)), "\(name)")
      }
    }
  }

  @Test func aWorkloadIsNamed() throws {
    let table = try table()
    #expect(table.workloads.map(\.name) == ["prompt-64", "generation-32x4", "generation-32"])
    #expect(try Latency(table, workload: "prompt-64").outside == 1_000_000)
    #expect(
      throws: LatencyError.unknownWorkload(name: "prompt-1", known: ["prompt-64", "generation-32x4", "generation-32"])
    ) { try Latency(table, workload: "prompt-1") }
    // Where nothing is generated, a prompt is the usual workload.
    #expect(try changed { $0.workloads.removeLast(2) }.workload(nil).name == "prompt-64")
  }

  @Test func aTableIsOfOneShape() throws {
    try table().check(configuration)
    #expect(
      throws: LatencyError.otherShape(name: "hidden size", table: 1, model: configuration.hiddenSize)
    ) { try changed { $0.shape.hiddenSize = 1 }.check(configuration) }
    var uneven = configuration
    uneven.layers[0] = LayerShape(queryHeads: 7, kvHeads: 1, mlpChannels: 8)
    #expect(throws: LatencyError.self) { try table().check(uneven) }
  }

  @Test func tablesThatNothingMeasuredAreRefused() throws {
    try table().validate()
    let wrong: [(inout LatencyTable) -> Void] = [
      { $0.workloads = [] }, { $0.workloads.append($0.workloads[0]) }, { $0.workloads[0].tokens = 0 },
      { $0.workloads[0].attention = [] }, { $0.workloads[0].attention.removeLast() },
      { $0.workloads[0].mlp[3].width = 1 }, { $0.workloads[0].mlp[0].width = -1 },
      { $0.workloads[0].mlp[0].seconds = -1 }, { $0.workloads[0].rest.seconds = .infinity },
      { $0.workloads[0].rest.spread = .nan }, { $0.shape.layers = 0 },
      { $0.workloads[0].mlp = $0.workloads[0].mlp.map { .init(width: $0.width, seconds: 0, spread: 0) } },
    ]
    for (number, change) in wrong.enumerated() {
      #expect(throws: LatencyError.self, "\(number)") { try changed(change).validate() }
    }
  }

  @Test func theObjectiveIsThereWithATable() throws {
    #expect(throws: ObjectiveError.self) { try ObjectiveList(["kl", "latency"]) }
    let known = try ObjectiveRegistry.all(with: Latency(table()))
    let list = try ObjectiveList(["kl", "latency"], known: known)
    #expect(list.all[1].description.isSize && list.all[1].isReproducible && list.directions == [.minimize, .minimize])
    #expect(throws: ObjectiveError.onlySizes(["params", "latency"])) {
      try ObjectiveList(["params", "latency"], known: known)
    }
  }
}
