import LanguageModels
import LinearAlgebra
import Search
import Testing

@testable import Subnets

@Suite struct BoundSpaceTests {
  private func space(
    layers: SearchSpace.Layers = .each, attention: SearchSpace.WidthRule = .init(minimum: .units(1), step: 1),
    mlp: SearchSpace.WidthRule = .init(minimum: .share(0.25), step: 8), floors: [SearchSpace.Floor] = [],
    scores: [String] = ["a", "b"], calibrations: [SearchSpace.CalibrationChoice] = [.each, .mix]
  ) -> SearchSpace {
    SearchSpace(
      name: "test", layers: layers, attention: attention, mlp: mlp, floors: floors, scores: scores,
      calibrations: calibrations, keep: 0.5...1)
  }

  private func bind(
    _ space: SearchSpace, _ fixture: Fixture = .mistralGQA, _ sets: [String] = ["self", "wiki"]
  ) throws -> BoundSpace {
    try BoundSpace(space, to: fixture.model().configuration, calibrationSets: sets)
  }

  @Test func hasTwoWidthsALayerAndTwoChoices() throws {
    let bound = try bind(space())
    #expect(
      bound.design.variables.map(\.name) == [
        "layers.0.attention", "layers.0.mlp", "layers.1.attention", "layers.1.mlp", "layers.2.attention",
        "layers.2.mlp", "score", "calibration",
      ])
    #expect(bound.design.variables.map(\.segment) == [0, 0, 1, 1, 2, 2, 3, 3])
    #expect(bound.design.variables[2].module == "attention" && bound.design.variables[3].module == "mlp")
    #expect(bound.widths(of: 0) == [1, 2, 3])
    #expect(bound.widths(of: 1) == [16, 24, 32, 40, 48, 56, 64])
    #expect(bound.design.variables[6].domain == .categorical(["a", "b"]))
    #expect(bound.design.variables[7].domain == .categorical(["self", "wiki", "mix"]))
    #expect(bound.calibrations == ["self", "wiki", "mix"])
  }

  @Test func thinnedQueriesCostWhatTheSubnetHas() throws {
    for fixture in [Fixture.mistralGQA, .qwen2Bias] {
      let bound = try bind(space(attention: .init(minimum: .units(1), step: 1, queries: 1)), fixture)
      for genome in [bound.design.lowest, bound.design.highest] {
        var configuration = bound.configuration
        let widths = bound.genes(genome).widths
        configuration.layers = zip(widths, configuration.layers).map { $0.shape(of: $1) }
        #expect(configuration.layers.allSatisfy { $0.queriesPerGroup == 1 })
        #expect(bound.cost.cost(genome) == configuration.blockParameters)
        #expect(configuration.blockParameters < bound.configuration.blockParameters)
      }
    }
    // All that groups have is no thinning.
    #expect(throws: SearchSpaceError.self) {
      try bind(space(attention: .init(minimum: .units(1), step: 1, queries: 2)))
    }
  }

  @Test func samplesAndDampingAreGenesWhereListed() throws {
    var space = space()
    space.samples = [4, 16]
    space.damping = [0.001, 0.1, 1]
    let bound = try bind(space)
    #expect(bound.design.variables.suffix(4).map(\.name) == ["score", "calibration", "samples", "damping"])
    #expect(bound.design.variables[9].domain == .categorical(["0.001", "0.1", "1.0"]))
    let genome = [3, 64, 2, 24, 1, 16, 1, 2, 1, 2]
    let genes = bound.genes(genome)
    #expect(genes.score == "b" && genes.calibration == "mix")
    #expect(genes.samples == 16 && genes.damping == 1 && genes.statistics == "mix@16")
    #expect(bound.genome(genes) == genome)
    // What is not said is the first choice; what is no choice, an error.
    let plain = BoundSpace.Genes(widths: genes.widths, score: "a", calibration: "self")
    #expect(plain.statistics == "self")
    #expect(bound.genome(plain)?.suffix(4) == [0, 0, 0, 0])
    #expect(bound.genome(.init(widths: genes.widths, score: "a", calibration: "self", samples: 5)) == nil)
    #expect(bound.cost.cost(genome) == bound.cost.cost(Array(genome.dropLast(4)) + [0, 0, 0, 0]))
  }

  @Test func sharedLayersHaveOneWidthEach() throws {
    let bound = try bind(space(layers: .shared))
    #expect(bound.design.variables.map(\.name) == ["layers.attention", "layers.mlp", "score", "calibration"])
    let genes = bound.genes([2, 24, 1, 0])
    #expect(genes.widths == Array(repeating: LayerWidths(groups: 2, channels: 24), count: 3))
    #expect(genes.score == "b" && genes.calibration == "self")
    #expect(bound.genome(genes) == [2, 24, 1, 0])
  }

  /// Steps count down from the parent's width, so that it always is a choice.
  @Test func stepsCountDownFromTheWholeWidth() throws {
    let bound = try bind(
      space(attention: .init(minimum: .units(1), step: 2), mlp: .init(minimum: .units(10), step: 7)))
    #expect(bound.widths(of: 0) == [1, 3])
    #expect(bound.widths(of: 1) == [15, 22, 29, 36, 43, 50, 57, 64])
    let whole = try bind(space(mlp: .init(minimum: .share(1), step: 8)))
    #expect(whole.widths(of: 1) == [64])
    let wide = try bind(space(mlp: .init(minimum: .units(1), step: 1000)))
    #expect(wide.widths(of: 1) == [64])
  }

  @Test func automaticStepsSuitTheWidth() {
    let step = SearchSpace.WidthRule.automaticStep
    #expect(step(14336) == 256 && step(8192) == 256 && step(11008) == 256)
    #expect(step(4096) == 32 && step(1536) == 32 && step(256) == 32)
    #expect(step(96) == 8 && step(64) == 8 && step(40) == 4 && step(7) == 1 && step(1) == 1)
    for width in 1...600 {
      let chosen = step(width)
      #expect(width % chosen == 0 && (chosen == 1 || width / chosen >= 8))
    }
  }

  @Test func floorsRaiseTheMinimaOfTheirLayers() throws {
    let bound = try bind(
      space(floors: [
        .init(layers: [0], attention: .units(2), mlp: nil), .init(layers: [-1], attention: nil, mlp: .share(0.75)),
        .init(layers: [-3, 1], attention: nil, mlp: .units(30)), .init(layers: [0], attention: .units(1), mlp: nil),
      ]))
    let lowest = bound.design.variables.map(\.lowest)
    #expect(lowest == [2, 32, 1, 32, 1, 48, 0, 0])
    let shared = try bind(space(layers: .shared, floors: [.init(layers: [2], attention: .units(3), mlp: nil)]))
    #expect(shared.design.variables[0].lowest == 3)
  }

  @Test(arguments: [3, 4, -4, 100])
  func floorsOfLayersThatAreNotThereAreErrors(layer: Int) {
    #expect(throws: SearchSpaceError.doesNotFit(space: "test", problem: "a floor names layer \(layer) of 3")) {
      try bind(space(floors: [.init(layers: [layer], attention: .units(1), mlp: nil)]))
    }
  }

  /// A share is a share, without a unit more from rounding.
  @Test func sharesRoundUpToWholeUnits() {
    #expect(SearchSpace.Amount.share(0.5).units(of: 3) == 2)
    #expect(SearchSpace.Amount.share(0.01).units(of: 64) == 1)
    #expect(SearchSpace.Amount.share(1).units(of: 7) == 7)
    for percent in 1...100 {
      #expect(SearchSpace.Amount.share(Double(percent) / 100).units(of: 100) == percent)
      #expect(SearchSpace.Amount.share(Double(percent) / 100).units(of: 14_300) == 143 * percent)
    }
    #expect(SearchSpace.Amount.units(5).units(of: 3) == 5)
  }

  @Test func tooMuchToKeepIsAnError() {
    for (floors, attention, name, minimum, width) in [
      ([], SearchSpace.WidthRule(minimum: .units(4), step: 1), "layers.0.attention", 4, 3),
      (
        [.init(layers: [1], attention: nil, mlp: .units(65))], .init(minimum: .units(1), step: 1), "layers.1.mlp", 65,
        64
      ),
    ] as [([SearchSpace.Floor], SearchSpace.WidthRule, String, Int, Int)] {
      let problem = "\(name) must keep \(minimum) units but the model has \(width)"
      #expect(throws: SearchSpaceError.doesNotFit(space: "test", problem: problem)) {
        try bind(space(attention: attention, floors: floors))
      }
    }
  }

  @Test func calibrationChoicesFollowTheSets() throws {
    #expect(try bind(space(), .mistralGQA, ["self"]).calibrations == ["self"])
    #expect(try bind(space(calibrations: [.mix]), .mistralGQA, ["a", "b"]).calibrations == ["mix"])
    #expect(try bind(space(calibrations: [.mix, .each]), .mistralGQA, ["a", "b"]).calibrations == ["mix", "a", "b"])
    #expect(try bind(space(calibrations: [.mix]), .mistralGQA, ["self"]).calibrations == ["self"])
    #expect(try bind(space(calibrations: [.mix, .each]), .mistralGQA, ["self"]).calibrations == ["self"])
    // A set may not take the mixture's name.
    #expect(throws: SearchError.self) { try bind(space(), .mistralGQA, ["a", "mix"]) }
  }

  /// The linear cost of the genome is the exact number of block parameters of the widths it means.
  @Test(arguments: Fixture.allCases, SearchSpace.Layers.allCases)
  func costIsTheParametersOfTheSubnet(fixture: Fixture, layers: SearchSpace.Layers) throws {
    let configuration = try fixture.model().configuration
    let bound = try bind(space(layers: layers, mlp: .init(minimum: .units(1), step: 1)), fixture)
    #expect(bound.cost.cost(bound.design.highest) == configuration.blockParameters)
    var random = SeededGenerator(seed: 9)
    for _ in 0..<50 {
      let genome = bound.design.variables.map { $0.lowest + Int(random.next() % UInt64($0.levels)) * $0.step }
      try bound.design.validate(genome)
      let genes = bound.genes(genome)
      var decoded = configuration
      for (index, width) in genes.widths.enumerated() {
        decoded.layers[index] = LayerShape(
          queryHeads: width.groups * configuration.layers[index].queriesPerGroup, kvHeads: width.groups,
          mlpChannels: width.channels)
      }
      #expect(bound.cost.cost(genome) == decoded.blockParameters)
      #expect(bound.genome(genes) == genome)
    }
  }

  @Test func genesAreMovedOntoTheGrid() throws {
    let bound = try bind(space())
    let widths = [(0, 0), (9, 1000), (2, 27)].map { LayerWidths(groups: $0.0, channels: $0.1) }
    let genome = bound.genome(.init(widths: widths, score: "b", calibration: "mix"))
    #expect(genome == [1, 16, 3, 64, 2, 24, 1, 2])
    #expect(bound.genome(.init(widths: widths, score: "c", calibration: "mix")) == nil)
    #expect(bound.genome(.init(widths: widths, score: "a", calibration: "web")) == nil)
  }

  @Test func layersWithoutAModuleHaveNothingToChoose() throws {
    var configuration = try Fixture.mistralGQA.model().configuration
    configuration.layers[1] = LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 64)
    let bound = try BoundSpace(space(), to: configuration, calibrationSets: ["self"])
    #expect(bound.widths(of: 2) == [0])
    #expect(bound.cost.cost(bound.design.highest) == configuration.blockParameters)
    #expect(throws: SearchSpaceError.self) {
      try BoundSpace(space(layers: .shared), to: configuration, calibrationSets: ["self"])
    }
  }

  /// All layers but the first may lose a module whose minimum is 0.
  @Test func layersMayLoseModules() throws {
    var space = space()
    space.floors = []
    space.attention.minimum = .units(0)
    space.mlp = SearchSpace.WidthRule(minimum: .units(0), step: 16)
    let bound = try bind(space)
    #expect(bound.widths(of: 0) == [1, 2, 3])
    #expect(bound.widths(of: 1) == [16, 32, 48, 64])
    #expect(bound.widths(of: 2) == [0, 1, 2, 3])
    #expect(bound.widths(of: 3) == [0, 16, 32, 48, 64])
  }

  /// The aggregation is a gene of the scores that take one.
  @Test func aggregationsAreConditional() throws {
    var space = space(scores: ["obs", "llm-pruner-first"])
    space.aggregations = ["sum", "max"]
    #expect(space.allScores == ["obs", "llm-pruner-first", "llm-pruner-first:max"])
    let bound = try bind(space)
    #expect(bound.design.variables.suffix(3).map(\.name) == ["score", "aggregation", "calibration"])
    let widths = [3, 64, 2, 24, 1, 16]
    #expect(bound.genes(widths + [0, 0, 0]).score == "obs")
    #expect(bound.genes(widths + [1, 0, 0]).score == "llm-pruner-first")
    #expect(bound.genes(widths + [1, 1, 0]).score == "llm-pruner-first:max")
    for choice in [[0, 0, 2], [1, 0, 1], [1, 1, 0]] {
      #expect(bound.genome(bound.genes(widths + choice)) == widths + choice)
    }
    #expect(throws: SearchError.self) { try bound.design.validate(widths + [0, 1, 0]) }
    // Where all scores take one, the gene is always active.
    space.scores = ["llm-pruner-first"]
    #expect(try bind(space).design.variables.allSatisfy { $0.condition == nil })
  }
}
