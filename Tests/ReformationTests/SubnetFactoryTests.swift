import LanguageModels
import LinearAlgebra
import Subnets
import Synchronization
import TestSupport
import Testing

@testable import Calibration
@testable import Importance
@testable import Reformation

@Suite struct SubnetFactoryTests {
  private let model: LanguageModel
  private let sets: [any Statistics]
  private let scores: [any Importance] = [WandaSP(), LLMBIP(), RandomImportance()]
  private let widths = [(2, 40), (1, 64), (3, 21)].map { LayerWidths(groups: $0.0, channels: $0.1) }

  init() throws {
    model = try Fixture.mistralGQA.model()
    sets = [
      try GatheredStatistics(model, TokenWindows(length: 20, tokens: someTokens(600, below: 320)), name: "a"),
      try GatheredStatistics(model, TokenWindows(length: 20, tokens: someTokens(600, below: 50)), name: "b"),
    ]
  }

  private func factory(
    repair: Repair = .nested, byteLimit: Int = .max, scores: [any Importance]? = nil
  ) -> SubnetFactory<LanguageModel> {
    SubnetFactory(
      parent: model, scores: scores ?? self.scores, statistics: sets, repair: repair, damping: 0.01,
      byteLimit: byteLimit)
  }

  private func elements(_ subnet: Subnet<LanguageModel>) throws -> [[Float]] {
    try (0..<subnet.configuration.layerCount).map { try subnet.layer($0).elements }
  }

  private let choice = SubnetFactory<LanguageModel>.Choice(score: "wanda-sp", calibration: "a")

  @Test func hasTheWidthsAskedFor() throws {
    let subnet = try factory().subnet(widths, choice)
    #expect(
      subnet.configuration.layers == [
        LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 40), LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 64),
        LayerShape(queryHeads: 6, kvHeads: 3, mlpChannels: 21),
      ])
    let logits = try OutputHead(subnet).logits(
      ForwardPass(TokenWindows([someTokens(20, below: 320)])).hiddenStates(of: subnet))
    #expect(logits.elements.allSatisfy { $0.isFinite })
  }

  @Test func sameChoiceIsTheSameSubnet() throws {
    let one = factory()
    let first = try elements(one.subnet(widths, choice))
    #expect(try elements(one.subnet(widths, choice)) == first)
    // What was made before and between does not matter.
    let other = factory()
    _ = try other.subnet([(3, 64), (3, 64), (1, 5)].map { LayerWidths(groups: $0.0, channels: $0.1) }, choice)
    _ = try other.subnet(widths, .init(score: "llm-bip", calibration: "b"))
    #expect(try elements(other.subnet(widths, choice)) == first)
  }

  /// With no memory for ranked layers every subnet is made anew, and is the same.
  @Test(arguments: [0, 1, 30_000, 100_000])
  func evictionChangesNothing(byteLimit: Int) throws {
    let (roomy, cramped) = (factory(), factory(byteLimit: byteLimit))
    for round in 0..<2 {
      for score in ["wanda-sp", "random", "llm-bip"] {
        for calibration in ["a", "b"] {
          let choice = SubnetFactory<LanguageModel>.Choice(score: score, calibration: calibration)
          let expected = try elements(roomy.subnet(widths, choice))
          #expect(try elements(cramped.subnet(widths, choice)) == expected, "\(score), \(calibration), \(round)")
        }
      }
    }
    // The limit is kept: a layer made earlier is another object now.
    let before = try cramped.rankedLayer(0, choice)
    _ = try cramped.subnet(widths, .init(score: "random", calibration: "b"))
    _ = try cramped.subnet(widths, .init(score: "random", calibration: "a"))
    #expect(try cramped.rankedLayer(0, choice) !== before)
    let kept = try roomy.rankedLayer(0, choice)
    _ = try roomy.subnet(widths, .init(score: "random", calibration: "b"))
    #expect(try roomy.rankedLayer(0, choice) === kept)
  }

  @Test func choicesGiveDifferentSubnets() throws {
    let factory = factory()
    var seen: [[[Float]]] = []
    for score in ["wanda-sp", "random"] {
      for calibration in ["a", "b"] {
        let found = try elements(factory.subnet(widths, .init(score: score, calibration: calibration)))
        #expect(!seen.contains(found), "\(score), \(calibration)")
        seen.append(found)
      }
    }
  }

  /// However many widths are asked for, memory stays within the limit and one layer.
  @Test func solvedWeightsCountToo() throws {
    let roomy = factory()
    for index in 0..<3 { _ = try roomy.rankedLayer(index, choice) }
    let limit = roomy.heldBytes + 20_000
    let (cramped, largest) = (
      factory(byteLimit: limit), try (0..<3).map { try roomy.rankedLayer($0, choice).byteCount }
    )
    for channels in 1...63 {
      for index in 0..<3 {
        let weights = try cramped.rankedLayer(index, choice).weights(groups: 2, channels: channels)
        let other = try roomy.rankedLayer(index, choice).weights(groups: 2, channels: channels)
        #expect(weights.down.weight.elements == other.down.weight.elements)
      }
      // One solution may have come since the last look at the limit.
      #expect(cramped.heldBytes <= limit + 40_000)
    }
    #expect(roomy.heldBytes > limit + (largest.max() ?? 0))
  }

  /// All layers of some choices are made beforehand if all can be kept, and then not again.
  @Test func preparedLayersAreKept() throws {
    let choices = [choice, .init(score: "llm-bip", calibration: "b")]
    let counted = CountedStatistics(sets[0])
    func factory(_ limit: Int) -> SubnetFactory<LanguageModel> {
      SubnetFactory(
        parent: model, scores: scores, statistics: [counted, sets[1]], repair: .nested, damping: 0.01,
        byteLimit: limit)
    }
    let roomy = factory(.max)
    let log = ProgressLog()
    #expect(try roomy.prepare(choices, monitor: log.monitor))
    #expect(log.steps.map { $0.total - $0.done }.max() == 2 * model.configuration.layerCount)
    // What ranking and factors need of a layer is read once for both.
    #expect(counted.reads == model.configuration.layerCount)
    let held = roomy.heldBytes
    for choice in choices { for index in 0..<3 { _ = try roomy.rankedLayer(index, choice) } }
    #expect(roomy.heldBytes == held && counted.reads == model.configuration.layerCount)
    for choice in choices { for index in 0..<3 { #expect(try roomy.rankedLayer(index, choice).isOrdered) } }
    // Nothing is missing, and then nothing fits.
    let silence = ProgressLog()
    #expect(try roomy.prepare(choices, monitor: silence.monitor))
    let cramped = factory(2 * 3 * model.configuration.bytesPerRankedLayer - 1)
    #expect(try !cramped.prepare(choices, monitor: silence.monitor))
    #expect(cramped.heldBytes == 0 && silence.steps.isEmpty)
  }

  /// The units are those that the score ranks first, in the parent's order.
  @Test func unitsAreTheBestRanked() throws {
    let factory = factory()
    let units = try factory.units(widths, choice)
    for (index, width) in widths.enumerated() {
      let scored = ScoredLayer(
        index: index, shape: model.configuration.layers[index], headDimension: 8, weights: try model.layer(index),
        statistics: try sets[0].layer(index))
      let ranking = WandaSP().scores(of: scored).ranking
      #expect(units[index].groups == ranking.groups.prefix(width.groups).sorted())
      #expect(units[index].channels == ranking.channels.prefix(width.channels).sorted())
    }
    // Without repair the subnet is the inheritance of these units, whatever their order.
    let plain = try self.factory(repair: .none).subnet(widths, choice)
    let inherited = Subnet(of: model, keeping: units)
    let windows = TokenWindows([someTokens(30, below: 320)])
    let (a, b) = (
      try ForwardPass(windows).hiddenStates(of: plain), try ForwardPass(windows).hiddenStates(of: inherited)
    )
    #expect(distance(a, b) < 5e-5)
  }

  @Test func wholeWidthsAreTheParent() throws {
    let all = model.configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels) }
    let windows = TokenWindows([someTokens(30, below: 320)])
    let dense = try ForwardPass(windows).hiddenStates(of: model)
    for repair in [Repair.none, .bias, .nested, .admm] {
      let subnet = try factory(repair: repair).subnet(all, choice)
      #expect(subnet.configuration == model.configuration)
      #expect(distance(try ForwardPass(windows).hiddenStates(of: subnet), dense) < 5e-5)
    }
  }

  /// A damping of a choice stands in place of the factory's.
  @Test func dampingOfAChoice() throws {
    let half = model.configuration.layers.map { LayerWidths(groups: 1, channels: $0.mlpChannels / 2) }
    func down(_ damping: Double?, factory: SubnetFactory<LanguageModel>) throws -> [Float] {
      var choice = choice
      choice.damping = damping
      return try factory.subnet(half, choice).layer(0).down.weight.elements
    }
    let factory = self.factory()
    let own = try down(nil, factory: factory)
    #expect(try down(factory.damping, factory: factory) == own)
    let strong = try down(1e6, factory: factory)
    #expect(strong != own)
    // With much damping it is the inherited weight.
    let inherited = try down(nil, factory: self.factory(repair: .none))
    #expect(zip(strong, inherited).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func unknownNamesAreErrors() {
    #expect(throws: ImportanceError.unknownScore(name: "magic", known: ["llm-bip", "random", "wanda-sp"])) {
      try factory().subnet(widths, .init(score: "magic", calibration: "a"))
    }
    let error = ReformationError.unknownCalibration(name: "c", known: ["a", "b"])
    #expect(throws: error) { try factory().units(widths, .init(score: "random", calibration: "c")) }
    #expect(error.description.contains("'c'") && error.description.contains("a, b"))
  }

  private struct Broken: Importance {
    let name = "broken"
    let summary = ""
    let source = ""
    let layer: Int

    func scores(of scored: ScoredLayer) -> UnitScores {
      let bad: Float = scored.index >= layer ? .nan : 1
      return UnitScores(
        groups: Array(repeating: 1, count: scored.shape.kvHeads),
        channels: Array(repeating: bad, count: scored.shape.mlpChannels))
    }
  }

  @Test func scoresThatAreNotFiniteAreErrors() {
    #expect(throws: ImportanceError.notFinite(score: "broken", layer: 1)) {
      try factory(scores: [Broken(layer: 1)]).subnet(widths, .init(score: "broken", calibration: "a"))
    }
  }
}

/// Counts how often a layer is read.
private final class CountedStatistics: Statistics {
  private let base: any Statistics
  private let count = Atomic(0)

  init(_ base: any Statistics) { self.base = base }

  var reads: Int { count.load(ordering: .relaxed) }
  var name: String { base.name }
  var tokens: Int { base.tokens }
  var layerCount: Int { base.layerCount }

  func layer(_ index: Int) throws -> LayerStatistics {
    count.add(1, ordering: .relaxed)
    return try base.layer(index)
  }

  func saliencies(of scalar: BackwardPass.Scalar, layer index: Int) throws -> LayerSaliencies? { nil }
}
