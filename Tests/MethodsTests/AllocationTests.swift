import Importance
import LinearAlgebra
import Subnets
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

@Suite struct AllocationTests {
  /// The paper's 20 % model: a quarter of the units of layers 4 to 29, 5,422,977,024 parameters.
  @Test func llmPrunerCountsOfLLaMA7B() throws {
    #expect(llama7B.totalParameters == 6_738_415_616)
    let budget = 5_422_977_024 - llama7B.outerParameters
    let window = LLMPrunerWindow().layers(of: 32)
    #expect(window == 4..<30)
    let allocation = UniformAllocation(llama7B, window: window)
    #expect(abs(allocation.share(budget: budget) - 0.25) < 1e-9)
    let widths = try #require(allocation.widths(budget: budget))
    for (index, width) in widths.enumerated() {
      #expect(
        width == LayerWidths(groups: window.contains(index) ? 24 : 32, channels: window.contains(index) ? 8256 : 11_008)
      )
    }
    #expect(llama7B.cost(widths) + llama7B.outerParameters == 5_422_977_024)
    // 80.48 % of all parameters.
    #expect(abs(Double(5_422_977_024) / Double(llama7B.totalParameters) - 0.8048) < 5e-5)
  }

  /// The protected layers scale with the depth, and settings move them.
  @Test func windowsOfOtherDepths() throws {
    func layers(_ count: Int, _ assignments: String...) throws -> Range<Int> {
      let settings: LLMPrunerMethod.Settings = try SettingValues(of: LLMPrunerMethod(), assignments).settings()
      return settings.window.layers(of: count)
    }
    #expect(try layers(30) == 4..<28)
    #expect(try layers(2) == 0..<2)
    #expect(try layers(1) == 0..<1)
    #expect(try layers(32, "protect-first=3", "protect-last=1") == 3..<31)
    #expect(try layers(4, "protect-first=9", "protect-last=9") == 3..<4)
  }

  /// NIRVANA's fractions on Llama-3.1-8B with γ = 3.36.
  @Test(arguments: [(0.2, 17, 0.231), (0.3, 26, 0.347), (0.4, 35, 0.463), (0.5, 44, 0.578)])
  func tiedSharesOfLlama3(sparsity: Double, groups: Int, mlp: Double) {
    let shares = GlobalThreshold.tiedShares(sparsity: sparsity, gamma: 3.36, llama3Point1)
    #expect(Int(shares.attention * 256) == groups)
    // The figures are given to a tenth of a percent.
    #expect(abs(shares.mlp - mlp) < 1e-3)
    #expect(abs(shares.mlp - 3.36 * shares.attention) < 1e-12)
    let (a, m) = (2.0 * 128 * 5 * 8, 3.0 * 14_336)
    #expect(abs(shares.attention * a + shares.mlp * m - sparsity * (a + m)) < 1e-9)
  }

  @Test func tiedSharesNeverExceedOne() {
    for sparsity in stride(from: 0.0, through: 1, by: 0.05) {
      for gamma in [0.01, 1, 3.36, 50] {
        let shares = GlobalThreshold.tiedShares(sparsity: sparsity, gamma: gamma, llama3Point1)
        #expect((0...1).contains(shares.attention) && (0...1).contains(shares.mlp))
        let (a, m) = (2.0 * 128 * 5 * 8, 3.0 * 14_336)
        #expect(abs(shares.attention * a + shares.mlp * m - sparsity * (a + m)) < 1e-6 * (a + m))
      }
    }
  }

  @Test(arguments: [1, 8, 32], [0.95, 0.8, 0.65, 0.5, 0.2])
  func uniformUsesTheBudget(step: Int, keep: Double) throws {
    let configuration = shape(
      hidden: 576, layers: 30, heads: 9, kvHeads: 3, dimension: 64, channels: 1536, vocabulary: 49_152, tied: true)
    let budget = Int(keep * Double(configuration.blockParameters))
    let widths = try #require(UniformAllocation(configuration, step: step).widths(budget: budget))
    let cost = configuration.cost(widths)
    #expect(cost <= budget && cost > budget - (step + 1) * 30 * configuration.parametersPerMLPChannel)
    #expect(Set(widths).count == 1 && widths[0].channels % step == 0 && widths[0].channels > 0)
    // As many groups go as the share allows, rounded down.
    #expect(widths[0].groups == 3 - Int((1 - keep) * 3 + 1e-6))
  }

  @Test func aBudgetBelowTheNarrowestIsRefused() {
    #expect(UniformAllocation(llama7B).widths(budget: 1000) == nil)
    #expect(UniformAllocation(llama7B, window: 4..<30).widths(budget: llama7B.blockParameters / 6) == nil)
    let full = UniformAllocation(llama7B).widths(budget: llama7B.blockParameters)
    #expect(full?.allSatisfy { $0 == LayerWidths(groups: 32, channels: 11_008) } == true)
  }

  // MARK: - Thresholds

  private let small = shape(
    hidden: 16, layers: 4, heads: 8, kvHeads: 4, dimension: 4, channels: 32, vocabulary: 50, tied: true)

  private func scores(seed: UInt64) -> [UnitScores] {
    var random = SeededGenerator(seed: seed)
    return small.layers.map { layer in
      UnitScores(
        groups: (0..<layer.kvHeads).map { _ in Float(random.unit()) },
        channels: (0..<layer.mlpChannels).map { _ in Float(random.unit()) })
    }
  }

  @Test(arguments: [0.9, 0.7, 0.5, 0.3], [UInt64(1), 2, 3])
  func thresholdRemovesTheLeast(keep: Double, seed: UInt64) throws {
    let scores = scores(seed: seed)
    let budget = Int(keep * Double(small.blockParameters))
    let threshold = GlobalThreshold(configuration: small, scores: scores, step: 1)
    let widths = try #require(threshold.widths(groupFactor: 1, budget: budget))
    let cost = small.cost(widths)
    #expect(cost <= budget && cost > budget - small.parametersPerKVGroup(queriesPerGroup: 2))
    // Whatever was removed scores no higher than anything kept that could have gone.
    var removed: [Float] = []
    var spared: [Float] = []
    for (width, layer) in zip(widths, scores) {
      #expect(width.groups >= 1 && width.channels >= 1)
      for (values, count) in [(layer.groups, width.groups), (layer.channels, width.channels)] {
        let ordered = values.sorted(by: >)
        removed += ordered.dropFirst(count)
        spared += ordered[1..<max(1, count)]
      }
    }
    #expect((removed.max() ?? 0) <= (spared.min() ?? 1))
  }

  @Test func thresholdRoundsWidthsUpFromTheFullWidth() throws {
    for gamma in [1.0, 3] {
      let threshold = GlobalThreshold(configuration: small, scores: scores(seed: 4), step: 8)
      let budget = small.blockParameters * 6 / 10
      let widths = try #require(threshold.widths(gamma: gamma, budget: budget))
      #expect(small.cost(widths) <= budget)
      for width in widths { #expect(width.channels % 8 == 0 && width.channels >= 8 && width.groups >= 1) }
    }
  }

  @Test func groupFactorDecidesBetweenKinds() throws {
    let threshold = GlobalThreshold(configuration: small, scores: scores(seed: 6), step: 1)
    let budget = small.blockParameters * 7 / 10
    let spared = try #require(threshold.widths(groupFactor: 1000, budget: budget))
    #expect(spared.allSatisfy { $0.groups == 4 })
    let cut = try #require(threshold.widths(groupFactor: 1e-6, budget: small.blockParameters * 6 / 10))
    #expect(cut.allSatisfy { $0.groups == 1 })
  }
}
