import Importance
import Subnets
import Testing

/// What a search space says of scores and what the registry knows.
@Suite struct AggregationTests {
  @Test func theRegistryKnowsWhatTakesAnAggregation() throws {
    for score in ImportanceRegistry.all.map(\.name) {
      let isTaken = (try? ImportanceRegistry.named("\(score):last")) != nil
      #expect(isTaken == SearchSpace.takesAggregation(score), "\(score)")
      guard SearchSpace.takesAggregation(score) else { continue }
      for aggregation in LLMPruner.Aggregation.allCases.map(\.rawValue) {
        let name = SearchSpace.score(score, aggregation: aggregation)
        #expect(try ImportanceRegistry.named(name).name == name)
      }
    }
  }
}
