import Foundation
import LinearAlgebra
import Testing
import Tokenizers

@testable import LanguageModels

@Suite struct TextWriterTests {
  private let model: LanguageModel
  private let tokenizer: Tokenizer
  private let prompts: [[Int32]]

  init() throws {
    model = try Fixture.llama3GQA.model()
    let tokenizer = try model.tokenizer()
    self.tokenizer = tokenizer
    prompts = ["The lamp", "The keeper of the light was lit and", "So"].map {
      tokenizer.encode($0, addSpecialTokens: true)
    }
  }

  private func texts(_ tasks: [WritingTask], ends: Set<Int32>? = nil) throws -> [WrittenText] {
    let writer = TextWriter(
      model, tokenizer, ends: ends ?? Set(tokenizer.eosToken.map { [$0] } ?? []), reading: .alone)
    var found: [Int: WrittenText] = [:]
    try writer.write(tasks, finished: { found[$0] = $1 })
    return try tasks.indices.map { try #require(found[$0]) }
  }

  /// The log-probabilities of the token that follows, by one pass over all tokens.
  private func scores(after tokens: [Int32]) throws -> [Double] {
    let hidden = try ForwardPass(TokenWindows([tokens])).hiddenStates(of: model)
    let logits = try OutputHead(model).logits(hidden)
    let row = (0..<logits.columns).map { Double(logits[tokens.count - 1, $0]) }
    let peak = row.max() ?? 0
    let normaliser = peak + log(row.reduce(0) { $0 + exp($1 - peak) })
    return row.map { $0 - normaliser }
  }

  /// Prompts of different lengths, each as if it stood alone.
  @Test func textsAreWrittenUntilAStop() throws {
    func text(_ prompt: [Int32], _ count: Int) throws -> String {
      let all = try Generator.continuations(of: [prompt], by: count, model: model, sampling: .greedy, seed: 0)[0]
      let own = all.dropFirst(prompt.count).prefix { $0 != tokenizer.eosToken }
      return tokenizer.decode(Array(own), skipSpecialTokens: true)
    }
    let whole = try prompts.map { try text($0, 12) }
    func written(_ stops: [String]) throws -> [WrittenText] {
      try texts(prompts.map { WritingTask($0, most: 12, stops: stops) })
    }
    #expect(try written([]).map(\.text) == whole)
    let stop = String(try #require(whole[0].unicodeScalars.dropFirst(3).first))
    let cut = whole.map { text in
      String(String.UnicodeScalarView(text.unicodeScalars.prefix { String($0) != stop }))
    }
    let stopped = try written(["never written", stop])
    #expect(stopped.map(\.text) == cut)
    #expect(cut[0].unicodeScalars.count <= 3)
    #expect(stopped.map(\.isStopped) == zip(cut, whole).map { $0 != $1 })
  }

  @Test func aTokenMayEndAText() throws {
    let whole = try texts([WritingTask(prompts[1], most: 6)])[0]
    let end = whole.tokens[3]
    let ended = try texts([WritingTask(prompts[1], most: 6)], ends: [end])[0]
    let count = try #require(whole.tokens.firstIndex(of: end))
    #expect(ended.tokens == Array(whole.tokens[...count]) && ended.isStopped && !whole.isStopped)
    #expect(ended.text == tokenizer.decode(Array(whole.tokens[..<count]), skipSpecialTokens: true))
  }

  /// Draws depend on the seed, and neither on the company nor on what is told of them.
  @Test func drawsAreThoseOfTheSeed() throws {
    func task(_ prompt: Int, seed: UInt64, alternatives: Int?) -> WritingTask {
      var task = WritingTask(prompts[prompt], most: 12)
      task.sampling = Sampling(temperature: 1.5, topP: 0.9)
      (task.random, task.alternatives) = (SeededGenerator(seed: seed), alternatives)
      return task
    }
    let alone = try texts([task(1, seed: 3, alternatives: nil)], ends: [])[0]
    let together = try texts(
      [task(0, seed: 3, alternatives: 1), task(1, seed: 3, alternatives: 4), task(1, seed: 4, alternatives: nil)],
      ends: [])
    #expect(together[1].tokens == alone.tokens)
    #expect(together[2].tokens != alone.tokens)
    #expect(alone.scores.isEmpty && together[1].scores.count == 12)
  }

  @Test func scoresAreThoseOfAWholePass() throws {
    var task = WritingTask(prompts[1], most: 5)
    (task.sampling, task.alternatives) = (Sampling(temperature: 2), 3)
    let written = try texts([task], ends: [])[0]
    for (place, score) in written.scores.enumerated() {
      let expected = try scores(after: prompts[1] + written.tokens[..<place])
      #expect(score.token == written.tokens[place])
      #expect(abs(score.logProbability - expected[Int(score.token)]) < 1e-4)
      let best = expected.indices.sorted { expected[$0] > expected[$1] }.prefix(3)
      #expect(score.alternatives.map { Int($0.token) } == Array(best))
      for alternative in score.alternatives {
        #expect(abs(alternative.logProbability - expected[Int(alternative.token)]) < 1e-4)
      }
    }
  }

  @Test func whatIsNoLongerWantedIsLeft() throws {
    let writer = TextWriter(model, tokenizer, ends: [], reading: .alone)
    var (asked, finished) = (0, [Int]())
    try writer.write(
      prompts.map { WritingTask($0, most: 20) },
      isWanted: { task in
        asked += 1
        return task != 1 || asked < 12
      }, finished: { task, _ in finished.append(task) })
    #expect(finished.sorted() == [0, 2])
  }
}
