import Search
import Testing

@testable import Workbench

@Suite struct ChosenOptimizerTests {
  private func space(_ layers: Int) throws -> DesignSpace {
    try DesignSpace(
      (0..<layers).map {
        try Variable(name: "layers.\($0).mlp", domain: .integer(low: 1, high: 9, step: 1), segment: $0)
      })
  }

  private func choose(
    _ wanted: SearchOptimizer = .automatic, layers: Int = 30, rungs: Int = 1, evaluations: Int? = 200,
    seconds: Double? = nil, parameters: Int = 134_000_000, tokens: Int = 2048
  ) throws -> ChosenOptimizer {
    ChosenOptimizer(
      wanted, try space(layers), hasRungs: rungs > 1, evaluations: evaluations, seconds: seconds,
      parameters: parameters, tokens: tokens)
  }

  @Test func whatIsGivenIsTaken() throws {
    for optimizer in SearchOptimizer.allCases where optimizer != .automatic {
      #expect(try choose(optimizer) == ChosenOptimizer(name: optimizer))
    }
  }

  @Test func aModelWhereEvaluationsAreDear() throws {
    #expect(try choose().name == .bayesian)
    #expect(try choose().description.hasPrefix("bayesian (chosen: "))
    // Half an hour is about as many evaluations.
    #expect(try choose(evaluations: nil, seconds: 1800).name == .bayesian)
  }

  @Test func evolutionElsewhere() throws {
    #expect(try choose(rungs: 3).name == .evolution)
    #expect(try choose(parameters: 40_000, tokens: 128).name == .evolution)
    #expect(try choose(evaluations: 8).name == .evolution)
    #expect(try choose(evaluations: 5000).name == .evolution)
    #expect(try choose(evaluations: nil, seconds: 20).name == .evolution)
  }
}
