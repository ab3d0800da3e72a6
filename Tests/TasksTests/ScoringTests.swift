import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Testing
import Tokenizers

@testable import Tasks

@Suite struct ScoringTests {
  private static let texts = [
    TextPair("The lamp was lit", " and the keeper slept"), TextPair("The lamp was lit", " by"),
    TextPair("The lamp was", " out"), TextPair("", " light"), TextPair("The lamp was lit", " and the keeper slept"),
    TextPair("Question: why is the sea salt and the river not so?\nAnswer:", " A"),
    TextPair("Question: why is the sea salt and the river not so?\nAnswer:", " B"),
  ]

  /// `Σ log p` of a continuation by one pass over it alone.
  private func alone(_ pair: ScoredTokens, _ model: LanguageModel) throws -> (sum: Double, isGreedy: Bool) {
    let hidden = try ForwardPass(TokenWindows([pair.input])).hiddenStates(of: model)
    let logits = try OutputHead(model).logits(hidden)
    var (sum, isGreedy) = (0.0, true)
    for (i, target) in pair.targets.enumerated() {
      let row = (0..<logits.columns).map { Double(logits[pair.input.count - pair.scored + i, $0]) }
      let peak = row.max() ?? 0
      sum += row[Int(target)] - peak - log(row.reduce(0) { $0 + exp($1 - peak) })
      isGreedy = isGreedy && row.firstIndex(of: peak) == Int(target)
    }
    return (sum, isGreedy)
  }

  @Test(arguments: ["llama3-gqa", "gemma2-caps", "olmoe-five", "mistral-gqa"])
  func likelihoodsAreThoseOfWholePasses(_ name: String) throws {
    let model = try Fixtures.model(name)
    let encoder = PairEncoder(try model.tokenizer(), longest: 64)
    let pairs = try Self.texts.map { try encoder.encode($0, place: "here") }
    let found = try ContinuationScorer(model).score(pairs, of: .init(.tasks))
    for (pair, likelihood) in zip(pairs, found) {
      let expected = try alone(pair, model)
      #expect(abs(likelihood.sum - expected.sum) < 1e-4 * max(1, abs(expected.sum)))
      #expect(likelihood.isGreedy == expected.isGreedy)
      #expect(likelihood.tokens == pair.scored)
    }
    #expect(found[0] == found[4])
  }

  @Test func whatTheModelWouldWriteIsGreedy() throws {
    let model = try Fixtures.model("llama3-gqa")
    let prompt: [Int32] = [3, 7, 20]
    let written = try Generator.continuations(of: [prompt], by: 4, model: model, sampling: .greedy, seed: 0)[0]
    let other = Array(written.dropLast()) + [written[6] == 1 ? 2 : 1]
    let pairs = [ScoredTokens(tokens: written, scored: 4), ScoredTokens(tokens: other, scored: 4)]
    let found = try ContinuationScorer(model).score(pairs, of: .init(.tasks))
    #expect(found.map(\.isGreedy) == [true, false])
  }

  @Test func aCancelledRunEnds() throws {
    let model = try Fixtures.model("llama3-gqa")
    let monitor = Monitor(isCancelled: { true }, hear: { _ in })
    #expect(throws: CancellationError.self) {
      _ = try ContinuationScorer(model).score([ScoredTokens(tokens: [1, 2], scored: 1)], of: .init(.tasks), monitor)
    }
  }
}
