import Importance
import LinearAlgebra
import Reformation
import Subnets
import Testing

@testable import LanguageModels
@testable import Methods

@Suite struct MethodTests {
  /// Those for models without experts.
  private static let dense = MethodRegistry.all.map(\.name).filter { $0 != "reap" }
  /// Those for models with some: the others need the channels of one MLP, or biases.
  private static let ofExperts = MethodRegistry.all.map(\.name).filter {
    !(["numerical", "flap"] + ofOneMLP).contains($0)
  }
  private static let ofOneMLP = ["grail", "llm-surgeon", "modegpt", "tyr"]

  /// Whole experts go, and rows of the router with them.
  @Test(arguments: ofExperts, ["qwen3moe-six", "olmoe-five", "gptoss-sinks"])
  func meetsTheBudgetWithExperts(name: String, fixture: String) throws {
    let tiny = try TinyBench(fixture)
    let pruned = try tiny.prune(name, keep: 0.8)
    let configuration = pruned.network.configuration
    let whole = tiny.configuration
    #expect(configuration.blockParameters <= Int(0.8 * Double(whole.blockParameters)))
    #expect(configuration.blockParameters > whole.blockParameters / 2)
    #expect(configuration.block == whole.block)
    for (index, units) in pruned.units.enumerated() {
      let layer = try pruned.network.layer(index)
      #expect(units.channels == units.channels.sorted() && Set(units.channels).count == units.channels.count)
      #expect(layer[.router].outputs == units.channels.count)
      #expect(layer.gate.outputs == units.channels.count * configuration.channelsPerUnit)
      if name == "reap" { #expect(units.groups.count == whole.layers[index].kvHeads) }
    }
  }

  @Test func expertsAreRefusedByName() throws {
    let (tiny, experts) = (try TinyBench(), try TinyBench("qwen3moe-six"))
    #expect(throws: MethodError.noExperts(method: "reap")) { try tiny.prune("reap", keep: 0.8) }
    #expect(throws: ImportanceError.noExperts(score: "numerical")) { try experts.prune("numerical", keep: 0.8) }
    #expect(throws: ReformationError.expertsTakeNoBias) { try experts.prune("flap", keep: 0.8) }
    for name in Self.ofOneMLP {
      #expect(throws: MethodError.mixture(method: name)) { try experts.prune(name, keep: 0.8) }
    }
  }

  /// A training behind a method keeps its units and does not lose on the held-out windows.
  @Test func aDescentKeepsTheUnitsOfItsMethod() throws {
    let tiny = try TinyBench()
    let (plain, trained) = (try tiny.prune("uniform", keep: 0.7), try tiny.prune("uniform+descent", keep: 0.7))
    #expect(plain.units == trained.units)
    let bench = try tiny.bench()
    #expect(try bench.divergence(of: trained.network) <= bench.divergence(of: plain.network))
    #expect([plain.repair, .descent].contains(trained.repair))
    #expect(throws: MethodError.unknownMethod(name: "nothing", known: MethodRegistry.all.map(\.name))) {
      try MethodRegistry.named("nothing+descent")
    }
  }

  @Test func namesAreUniqueAndDocumented() throws {
    let names = MethodRegistry.all.map(\.name)
    #expect(Set(names).count == names.count)
    let published = [
      "search-llm", "llm-pruner", "nirvana", "adapruner", "numerical", "llm-bip", "flap", "wanda-sp", "magnitude",
      "random", "ours", "ours-fast", "uniform", "reap", "grail", "llm-surgeon", "modegpt", "tyr",
    ]
    #expect(Set(names) == Set(published))
    for method in MethodRegistry.all {
      #expect(!method.summary.isEmpty && !method.source.isEmpty)
      for setting in method.settings {
        #expect(!setting.meaning.isEmpty && !setting.expected.isEmpty)
        #expect(
          try SettingValues(of: method, ["\(setting.name)=\(setting.initial)"]) == SettingValues(of: method),
          "\(method.name) \(setting.name)")
      }
      #expect(try MethodRegistry.named(method.name).name == method.name)
    }
    #expect(throws: MethodError.unknownMethod(name: "wanda", known: names)) { try MethodRegistry.named("wanda") }
  }

  /// Every method meets every budget that it accepts, with units of the model and the same ones for the same seed.
  @Test(arguments: dense, ["llama3-gqa", "qwen2-bias", "gemma3-local", "olmo2-norms"])
  func meetsTheBudget(name: String, fixture: String) throws {
    let tiny = try TinyBench(fixture)
    for keep in [0.9, 0.6] {
      let pruned = try tiny.prune(name, keep: keep)
      let configuration = pruned.network.configuration
      #expect(configuration.blockParameters <= Int(keep * Double(tiny.configuration.blockParameters)))
      #expect(Double(configuration.blockParameters) > (keep - 0.2) * Double(tiny.configuration.blockParameters))
      #expect(pruned.units.count == tiny.configuration.layerCount)
      for (index, units) in pruned.units.enumerated() {
        let shape = tiny.configuration.layers[index]
        #expect(units.shape(of: shape) == configuration.layers[index])
        #expect(units.groups == units.groups.sorted() && units.channels == units.channels.sorted())
        #expect(units.groups.allSatisfy((0..<shape.kvHeads).contains))
        #expect(units.channels.allSatisfy((0..<shape.mlpChannels).contains))
        let weights = try pruned.network.layer(index)
        #expect(weights.output.inputs == configuration.layers[index].queryHeads * configuration.headDimension)
        #expect(weights.down.inputs == units.channels.count)
      }
      #expect([.none, .bias, .nested, .sequential].contains(pruned.repair))
      #expect(try tiny.bench().divergence(of: pruned.network).isFinite)
      let again = try tiny.prune(name, keep: keep)
      #expect(again.units == pruned.units && again.decisions == pruned.decisions)
    }
  }

  /// The shares that are published: LLM-Pruner leaves its window alone, uniform methods prune every layer alike.
  @Test func allocationsAreTheMethods() throws {
    let tiny = try TinyBench()
    let window = try tiny.prune("llm-pruner", keep: 0.85, "protect-first=1", "protect-last=0")
    #expect(window.network.configuration.layers.first == tiny.configuration.layers.first)
    #expect(window.network.configuration.layers.last != tiny.configuration.layers.last)
    for name in ["wanda-sp", "llm-bip", "random", "magnitude", "uniform"] {
      #expect(try tiny.prune(name, keep: 0.7).network.configuration.isUniform, "\(name)")
    }
  }

  @Test func repairsAreTheMethods() throws {
    let tiny = try TinyBench()
    #expect(try tiny.prune("wanda-sp", keep: 0.7).repair == .none)
    #expect(try tiny.prune("uniform", keep: 0.7).repair == .nested)
    let flap = try tiny.prune("flap", keep: 0.7)
    #expect(flap.repair == .bias && flap.network.configuration.outputBias && flap.network.configuration.mlpBias)
    let weights = try flap.network.layer(0)
    #expect(
      weights.output.bias?.contains { $0 != 0 } == true
        || flap.units[0].groups.count == tiny.configuration.layers[0].kvHeads)
    #expect(weights.gate.bias?.allSatisfy { $0 == 0 } == true)
    // On its own calibration text repair brings a subnet of the same units nearer.
    let bench = try tiny.bench()
    let plain = try tiny.prune("flap", keep: 0.7, "repair=none")
    #expect(!plain.network.configuration.outputBias)
    #expect(
      try bench.divergence(of: tiny.prune("numerical", keep: 0.5).network)
        < bench.divergence(of: tiny.prune("numerical", keep: 0.5, "repair=none").network))
  }

  /// More trials never end with a worse choice: the first ones are the same.
  @Test func choosesByDivergence() throws {
    let tiny = try TinyBench()
    let few = try tiny.prune("nirvana", keep: 0.7)
    let bench = try tiny.bench()
    let listed = try #require(few.decisions["KL of each subset"]).split(separator: ", ").compactMap { Double($0) }
    #expect(listed.count == 2)
    #expect(abs(try bench.divergence(of: few.network) - (listed.min() ?? 0)) < 1e-9)
    let more = try tiny.prune("nirvana", keep: 0.7, "trials=4")
    #expect(try bench.divergence(of: more.network) <= bench.divergence(of: few.network))
  }

  /// Shares in messages have four decimals at most, and the smallest is one that can be kept.
  @Test func impossibleBudgetsAreShortNumbers() {
    let error = MethodError.impossibleBudget(method: "m", keep: 0.00999712643, smallest: 0.18275862)
    #expect("\(error)" == "'m' cannot keep as little as 0.01 of the block parameters: 0.1828 is its smallest")
  }

  @Test func impossibleBudgetsSayTheSmallest() throws {
    let tiny = try TinyBench()
    for method in MethodRegistry.all where Self.dense.contains(method.name) {
      do {
        _ = try tiny.prune(method.name, keep: 0.01)
        Issue.record("\(method.name) met it")
      } catch let error as MethodError {
        guard case .impossibleBudget(let name, let keep, let smallest) = error else {
          Issue.record("\(error)")
          continue
        }
        #expect(name == method.name && keep <= 0.01 && smallest > 0.01)
        #expect(error.description.contains("'\(method.name)'"))
      }
    }
  }

  @Test func subsetsAreStretchesOfTheCalibration() throws {
    let bench = try TinyBench().bench(seed: 3)
    let first = bench.subset(0, samples: 5, length: 16)
    #expect(first.count == 5 && first.length == 16)
    #expect(bench.subset(0, samples: 5, length: 16) == first && bench.subset(1, samples: 5, length: 16) != first)
    #expect(bench.subset(0, samples: 1000, length: 16).count == 32)
    #expect(bench.subset(0, samples: 2, length: 1000).length == 32)
    let all = (0..<16).flatMap { window in
      [0, 16].map { Array(bench.calibration[window].dropFirst($0).prefix(16)) }
    }
    for window in 0..<5 { #expect(all.contains(Array(first[window]))) }
  }
}

@Suite struct SettingTests {
  private let method = NIRVANAMethod()

  @Test func valuesReplaceDefaults() throws {
    #expect(try SettingValues(of: method).described["gamma"] == "3")
    let values: NIRVANAMethod.Settings = try SettingValues(of: method, ["gamma=2.5", "trials=7"]).settings()
    #expect(values.gamma == 2.5 && values.trials == 7 && values.step == 8)
    let list: OursFast.Settings = try SettingValues(of: OursFast(), ["scores=obs,flap", "step=auto"]).settings()
    #expect(list.scores == ["obs", "flap"] && list.step == nil && list.repair == .nested)
    let sequential = try SettingValues(of: OursFast(), ["repair=sequential", "bias=yes", "scope=pruned", "step=4"])
    let typed: OursFast.Settings = sequential.settings()
    #expect(
      typed.repair == .sequential && typed.sequential.bias && typed.sequential.scope == .pruned && typed.step == 4)
    #expect(sequential.described["bias"] == "yes" && sequential.described["tokens"] == "balanced")
  }

  @Test(arguments: ["gamma", "=3", ""])
  func assignmentsHaveTwoSides(text: String) {
    #expect(throws: MethodError.notAnAssignment(text)) { try SettingValues(of: method, [text]) }
  }

  @Test func wrongOnesAreNamed() {
    #expect(throws: MethodError.unknownSetting(method: "nirvana", setting: "gama", known: method.settings.map(\.name)))
    {
      try SettingValues(of: method, ["gama=3"])
    }
    for value in ["0", "-1", "x", "nan", "auto", ""] {
      #expect(throws: MethodError.self, "\(value)") { try SettingValues(of: method, ["gamma=\(value)"]) }
    }
    for value in ["obs,obs", "obs,", "", "nirvana"] {
      #expect(throws: MethodError.self, "\(value)") { try SettingValues(of: OursFast(), ["scores=\(value)"]) }
    }
    let error = MethodError.invalidSetting(method: "m", setting: "s", value: "v", expected: "a number")
    #expect(error.description == "setting 's' of 'm' is a number, not 'v'")
  }
}
