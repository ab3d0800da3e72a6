import Foundation
import LinearAlgebra
import Testing

@testable import LanguageModels

@Suite struct GeneratorTests {
  /// Every step with the cache of keys and values against a pass over all tokens so far.
  private func checkSteps(_ model: LanguageModel, length: Int, vocabulary: Int) throws {
    let sequences = (0..<3).map { someTokens(length, below: vocabulary, seed: UInt64($0 + 3)) }
    let generator = Generator(model, sequences: 3, capacity: length)
    let full = try sequences.map { try model.logits($0) }
    for position in 0..<length {
      let logits = try generator.step(sequences.map { $0[position] })
      #expect(logits.rows == 3 && logits.columns == vocabulary)
      for i in 0..<3 {
        #expect(
          distance(logits.rows(i..<i + 1), full[i].rows(position..<position + 1)) <= 5e-5,
          "sequence \(i), position \(position)")
      }
    }
  }

  @Test(arguments: Fixture.allCases)
  func cacheChangesNothing(fixture: Fixture) throws {
    let model = try fixture.model()
    try checkSteps(model, length: 24, vocabulary: model.configuration.vocabularySize)
  }

  @Test func cacheChangesNothingWithBiasesSlidingWindowAndMissingParts() throws {
    let shapes = [
      LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 5),
      LayerShape(queryHeads: 3, kvHeads: 1, mlpChannels: 0),
    ]
    let model = try TinyModel(
      layers: shapes, attentionBias: true, mlpBias: true,
      config: [
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 6,
      ]
    ).open(in: TemporaryFolder())
    #expect(model.configuration.slidingWindow == 6)
    try checkSteps(model, length: 20, vocabulary: 40)
  }

  /// What is read at once, in pieces and for several sequences, gives the bits of single steps.
  @Test(arguments: [Precision.single, .bfloat16].filter(\.isSupported))
  func readingGivesTheBitsOfSteps(_ precision: Precision) throws {
    let model = try Fixture.llamaLinear.model()
    let long = someTokens(700, below: 64, seed: 1)
    // Two pieces and more; the third is the first once more, and the last is longer than the piece's rest.
    let runs = [long[..<300], someTokens(41, below: 64, seed: 2)[...], long[..<300], [], long[..<650]]
    let generator = Generator(model, sequences: runs.count, capacity: 660, precision: precision)
    var pieces = 0
    #expect(
      try generator.read(runs) {
        pieces += 1
        return true
      })
    #expect(pieces == 2)
    for step in 0..<3 {
      let tokens = someTokens(runs.count, below: 64, seed: UInt64(step + 7))
      let found = try generator.step(tokens)
      for (row, run) in runs.enumerated() where step == 2 {
        let alone = Generator(model, sequences: 1, capacity: 660, precision: precision)
        for token in run { _ = try alone.step([token]) }
        var last: [Float] = []
        for earlier in 0...step {
          last = try alone.step([someTokens(runs.count, below: 64, seed: UInt64(earlier + 7))[row]]).elements
        }
        #expect(found.rows(row..<row + 1).elements == last, "\(row)")
      }
    }
  }

  /// Layers that are packed at every step give the same bits as those that are kept.
  @Test func packingAgainChangesNothing() throws {
    let model = try Fixture.llamaLinear.model()
    let generators = [true, false].map { Generator(model, sequences: 5, capacity: 4, keepingLayers: $0) }
    for step in 0..<4 {
      let tokens = someTokens(5, below: 64, seed: UInt64(step))
      let logits = try generators.map { try $0.step(tokens).elements }
      #expect(logits[0] == logits[1])
    }
  }

  private func continuations(
    _ prompts: [[Int32]], by count: Int = 12, _ sampling: Sampling, seed: UInt64 = 4, excluding: [Int32] = []
  ) throws -> [[Int32]] {
    let model = try Fixture.llamaLinear.model()
    return try Generator.continuations(
      of: prompts, by: count, model: model, sampling: sampling, seed: seed, excluding: excluding)
  }

  private let prompts: [[Int32]] = [[5, 9, 30], [61, 2, 17], [33, 33, 8], [1, 0, 63]]

  @Test func sameSeedSameText() throws {
    let sampling = Sampling(temperature: 0.9, topP: 0.95)
    let first = try continuations(prompts, sampling)
    #expect(first.map(\.count) == [15, 15, 15, 15])
    #expect(first.map { Array($0.prefix(3)) } == prompts)
    #expect(first.joined().allSatisfy { $0 >= 0 && $0 < 64 })
    #expect(try continuations(prompts, sampling) == first)
    let other = try continuations(prompts, sampling, seed: 5)
    for i in prompts.indices { #expect(other[i] != first[i]) }
    // Equal prompts are told apart by their place.
    let twins = try continuations([prompts[0], prompts[0]], sampling)
    #expect(twins[0] != twins[1])
  }

  @Test func sequencesDoNotDependOnTheirNeighbours() throws {
    let together = try continuations(prompts, Sampling())
    #expect(try continuations([prompts[0]], Sampling())[0] == together[0])
    #expect(try continuations([prompts[0], [7, 7, 7], [2, 1, 2]], Sampling())[0] == together[0])
    let swapped = try continuations([[0, 1, 2], prompts[1], [9, 9, 9], [8, 8, 8], [7, 7, 7]], Sampling())
    #expect(swapped[1] == together[1])
  }

  @Test func temperatureZeroTakesTheLikeliest() throws {
    let model = try Fixture.llamaLinear.model()
    let texts = try continuations(prompts, .greedy)
    #expect(try continuations(prompts, .greedy, seed: 99) == texts)
    for text in texts {
      let logits = try model.logits(text)
      for position in 2..<14 {
        #expect(Int(text[position + 1]) == Kernels.argmax(logits.row(position), count: 64))
      }
    }
  }

  @Test func excludedTokensAreNeverDrawn() throws {
    let excluded = (0..<60).map { Int32($0) } + [-1, 64, 1000]
    for sampling in [Sampling(), Sampling(temperature: 3, topP: 0.9), .greedy] {
      let texts = try continuations(prompts, by: 20, sampling, excluding: excluded)
      let drawn = texts.flatMap { $0.dropFirst(3) }
      #expect(drawn.count == 80 && drawn.allSatisfy { $0 >= 60 && $0 < 64 })
    }
  }

  @Test func progressCountsTokens() throws {
    let model = try Fixture.llamaLinear.model()
    var seen: [Int] = []
    _ = try Generator.continuations(of: [[1, 2]], by: 5, model: model, sampling: .greedy, seed: 0) { seen.append($0) }
    #expect(seen == [1, 2, 3, 4, 5])
  }

  @Test func nothingToContinueIsNoError() throws {
    #expect(try continuations([], .greedy) == [])
    #expect(try continuations(prompts, by: 0, .greedy) == prompts)
  }
}

@Suite struct SamplingTests {
  private func draw(_ sampling: Sampling, _ logits: [Float], _ uniform: Double) -> Int32 {
    var row = logits
    return sampling.draw(&row, count: row.count, uniform: uniform)
  }

  /// Logits of the probabilities 0.1, 0.5, 0.15, 0.25.
  private let logits = [0.1, 0.5, 0.15, 0.25].map { Float(log($0)) + 3 }

  @Test func quantilesFollowTheDistribution() {
    for (uniform, token) in [(0, 0), (0.09, 0), (0.11, 1), (0.59, 1), (0.61, 2), (0.74, 2), (0.76, 3), (0.999, 3)] {
      #expect(draw(Sampling(), logits, uniform) == token)
    }
  }

  /// The nucleus of 0.7 is {1, 3}: half the mass alone is too little, and 0.75 is enough.
  @Test func nucleusIsTheSmallestSetOfEnoughProbability() {
    for (uniform, token) in [(0, 1), (0.66, 1), (0.67, 3), (0.9999, 3)] {
      #expect(draw(Sampling(topP: 0.7), logits, uniform) == token)
    }
    #expect((0..<100).allSatisfy { draw(Sampling(topP: 0.4), logits, Double($0) / 100) == 1 })
    let wide = Set((0..<1000).map { draw(Sampling(topP: 0.95), logits, Double($0) / 1000) })
    #expect(wide == [0, 1, 2, 3])
    let narrower = Set((0..<1000).map { draw(Sampling(topP: 0.85), logits, Double($0) / 1000) })
    #expect(narrower == [1, 2, 3])
    #expect((0..<100).allSatisfy { draw(Sampling(topP: 0), logits, Double($0) / 100) == 1 })
  }

  /// A flat distribution needs many tokens; of equals the first are kept.
  @Test func nucleusOfAFlatDistribution() {
    let flat = Array(repeating: Float(0), count: 1000)
    let drawn = Set((0..<10_000).map { draw(Sampling(topP: 0.25), flat, Double($0) / 10_000) })
    #expect(drawn.count == 250 && drawn.max() == 249)
  }

  @Test func nucleusOfAVeryPeakedDistribution() {
    var peaked = Array(repeating: Float(-60), count: 50)
    peaked[7] = 0
    #expect(draw(Sampling(topP: 0.999), peaked, 0.9999999) == 7)
  }

  @Test func temperatureSharpensAndFlattens() {
    func share(_ temperature: Float) -> Int {
      (0..<1000).count { draw(Sampling(temperature: temperature), logits, (Double($0) + 0.5) / 1000) == 1 }
    }
    #expect(share(1) == 500)
    // p² normalised: 0.25 of 0.345; √p: 0.7071 of 1.9107.
    #expect(abs(share(0.5) - 725) <= 1 && abs(share(2) - 370) <= 1)
  }

  @Test func temperatureZeroIsTheArgmaxWhateverTheQuantile() {
    for uniform in [0, 0.5, 0.999] { #expect(draw(.greedy, logits, uniform) == 1) }
    #expect(draw(.greedy, [2, 5, 5], 0.9) == 1)
  }

  /// Rounding may leave the probabilities a little short of one: the last quantiles still are a token that may be drawn.
  @Test func lastQuantileIsNeverAnImpossibleToken() {
    let last = 1 - 0x1p-53
    for count in [5, 16, 21, 1000, 50_000] {
      var random = SeededGenerator(seed: UInt64(count))
      var row = (0..<count).map { _ in Float(random.unit() * 6) }
      row[0] = -.infinity
      row[count - 1] = -.infinity
      row[count - 2] = -.infinity
      for sampling in [Sampling(), Sampling(temperature: 0.7), Sampling(topP: 0.9), Sampling(topP: 0.999999)] {
        for uniform in [0, last] {
          let token = Int(draw(sampling, row, uniform))
          #expect(row[token].isFinite, "token \(token) of \(count) at quantile \(uniform), \(sampling)")
        }
      }
    }
  }
}
