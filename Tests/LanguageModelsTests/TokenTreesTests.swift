import LinearAlgebra
import Testing

@testable import LanguageModels

@Suite struct TokenTreesTests {
  /// Sequences of many lengths, some of which begin alike, are the beginning of another, or are there twice.
  private static func sequences(below vocabulary: Int) -> [[Int32]] {
    let stem = someTokens(70, below: vocabulary)
    let other = someTokens(25, below: vocabulary, seed: 5)
    return [
      stem + [1, 2, 3], stem + [1, 2, 4, 5], stem + [1], stem, stem + [7], other, other.prefix(9) + [3, 3, 3, 1],
      [2], other, stem + [1, 2, 4] + other, Array(stem.prefix(40)) + other,
    ]
  }

  private static func ordered(_ batches: [TokenTrees]) -> [(batch: TokenTrees, place: Int)] {
    let all = batches.flatMap { batch in batch.members.indices.map { (batch: batch, place: $0) } }
    return all.sorted { $0.batch.members[$0.place] < $1.batch.members[$1.place] }
  }

  @Test(arguments: [8192, 60]) func everySequenceIsThereOnce(tokens: Int) throws {
    let model = try Fixture.llama3GQA.model()
    let sequences = Self.sequences(below: 40)
    let found = Self.ordered(TokenTrees.batches(of: sequences, tokens: tokens, for: model.configuration))
    #expect(found.map { $0.batch.members[$0.place] } == Array(sequences.indices))
    for (sequence, (batch, place)) in zip(sequences, found) {
      #expect(batch.rows(of: place).map { batch.tokens[$0] } == sequence)
    }
  }

  @Test func whatIsSharedIsKeptOnce() throws {
    let model = try Fixture.llama3GQA.model()
    let stem = someTokens(50, below: 40)
    let batches = TokenTrees.batches(
      of: [stem + [1, 2], stem + [1, 3, 3], stem + [4], stem + [1, 2]], for: model.configuration)
    // The stem, 1, 2, 3 3, 4.
    #expect(batches.map(\.tokens.count) == [55])
  }

  @Test func noBatchIsLargerThanItsTokens() throws {
    let model = try Fixture.llama3GQA.model()
    let sequences = (0..<40).map { someTokens(10 + $0, below: 40, seed: UInt64($0)) }
    let batches = TokenTrees.batches(of: sequences, tokens: 100, for: model.configuration)
    #expect(batches.allSatisfy { $0.tokens.count <= 100 })
    #expect(batches.reduce(0) { $0 + $1.tokens.count } == sequences.reduce(0) { $0 + $1.count })
  }

  /// Also with windows of attention, caps, sinks, experts, and frequencies that depend on the length.
  @Test(arguments: Fixture.allCases) func asIfEachStoodAlone(_ fixture: Fixture) throws {
    let model = try fixture.model()
    let sequences = Self.sequences(below: model.configuration.vocabularySize)
    for batch in TokenTrees.batches(of: sequences, tokens: 120, for: model.configuration) {
      let states = try batch.hiddenStates(of: model, rows: Array(batch.tokens.indices))
      for (place, member) in batch.members.enumerated() {
        let alone = try ForwardPass(TokenWindows([sequences[member]])).hiddenStates(of: model)
        let found = states.gatherRows(batch.rows(of: place))
        let scale = alone.elements.reduce(Float(0)) { max($0, abs($1)) }
        let difference = zip(found.elements, alone.elements).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(difference <= 2e-5 * scale, "sequence \(member)")
      }
    }
  }
}
