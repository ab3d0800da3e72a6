import Foundation
import LanguageModels
import LinearAlgebra
import Subnets
import TestSupport
import Testing

@testable import Evaluation

/// Generations against candidates that are compared one by one.
@Suite struct GenerationEvaluatorTests {
  private static let length = 24

  /// Parts are widths: a module keeps its first units.
  private struct Bench {
    let model: LanguageModel
    let reference: DenseReference

    init(_ fixture: Fixture, windows: Int = 50, precision: Precision = .single) throws {
      model = try fixture.model()
      var random = SeededGenerator(seed: 3)
      let vocabulary = UInt64(model.configuration.vocabularySize)
      let tokens = (0..<windows * GenerationEvaluatorTests.length).map { _ in Int32(random.next() % vocabulary) }
      reference = try DenseReference(
        model, windows: TokenWindows(length: GenerationEvaluatorTests.length, tokens: tokens),
        precision: precision)
    }

    func evaluator(memory: Int) -> GenerationEvaluator<Int> {
      let model = model
      return GenerationEvaluator(reference: reference, parent: model, bytes: memory) { layer, isMLP, width in
        let units = KeptUnits(groups: isMLP ? [] : Array(0..<width), channels: isMLP ? Array(0..<width) : [])
        let shape = model.configuration.layers[layer]
        return try model.layer(layer).inherit(
          units, from: shape, headDimension: model.configuration.headDimension)
      }
    }

    /// Random widths that often agree at the beginning.
    func candidates(_ count: Int) -> [[Int]] {
      var random = SeededGenerator(seed: 17)
      let full = model.configuration.layers.flatMap { [$0.kvHeads, $0.mlpChannels] }
      return (0..<count).map { _ in
        let from = random.integer(below: full.count)
        return full.enumerated().map { $0 < from ? $1 : max(1, random.integer(below: $1 + 1)) }
      }
    }

    func single(_ candidate: [Int]) throws -> Comparison { try reference.compare(subnet(candidate)) }

    func subnet(_ candidate: [Int]) -> Subnet<LanguageModel> {
      let units = stride(from: 0, to: candidate.count, by: 2).map {
        KeptUnits(groups: Array(0..<candidate[$0]), channels: Array(0..<candidate[$0 + 1]))
      }
      return Subnet(of: model, keeping: units)
    }
  }

  private func expectEqual(_ a: Comparison, _ b: Comparison, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(
      abs(a.divergence - b.divergence) <= 1e-6 * max(b.divergence, 1e-3), "\(a.divergence) \(b.divergence)",
      sourceLocation: sourceLocation)
    #expect(abs(a.perplexity.mean - b.perplexity.mean) <= 1e-6 * b.perplexity.mean, sourceLocation: sourceLocation)
    #expect(abs(a.topOneAgreement - b.topOneAgreement) < 1e-3, sourceLocation: sourceLocation)
  }

  /// What was measured on some windows is kept when further ones come.
  @Test(arguments: [1, 7, 32]) func windowsAreAdded(first: Int) throws {
    let bench = try Bench(.mistralGQA)
    let candidates = bench.candidates(5)
    let evaluator = bench.evaluator(memory: 1 << 30)
    let whole = try evaluator.compare(candidates)
    let begun = try evaluator.compare(candidates, windows: 0..<first)
    let rest = try evaluator.compare(candidates, windows: first..<50)
    #expect(begun.work.done + rest.work.done == whole.work.done)
    for place in candidates.indices {
      let joined = begun.comparisons[place].joined(rest.comparisons[place])
      #expect(joined.windowDivergences.count == 50)
      expectEqual(joined, whole.comparisons[place])
    }
  }

  /// Alone, together, in blocks of windows, in parts of a generation: the same values.
  @Test(arguments: Fixture.allCases, [1 << 30, 1 << 20, 200_000, 1])
  func companyDoesNotMatter(fixture: Fixture, memory: Int) throws {
    let bench = try Bench(fixture)
    let candidates = bench.candidates(9)
    let evaluator = bench.evaluator(memory: memory)
    let together = try evaluator.compare(candidates)
    #expect(together.comparisons.count == 9)
    for (candidate, found) in zip(candidates, together.comparisons) {
      expectEqual(found, try bench.single(candidate))
      expectEqual(try evaluator.compare([candidate]).comparisons[0], found)
    }
    #expect(together.work.asked == 9 * 50 * 2 * bench.model.configuration.layerCount)
    if memory == 1 << 30 { #expect(together.work.done < together.work.asked) }
    // Nothing is shared where every candidate is a generation of its own.
    if memory == 1 { #expect(together.work.done == together.work.asked) }
  }

  /// In bfloat16, too; and the values are near those of single precision, as far as rounding lets them.
  @Test(arguments: Fixture.allCases) func bfloat16(fixture: Fixture) throws {
    let bench = try Bench(fixture, precision: .bfloat16)
    let candidates = bench.candidates(6)
    let found = try bench.evaluator(memory: 200_000).compare(candidates).comparisons
    let single = try Bench(fixture)
    for (candidate, comparison) in zip(candidates, found) {
      expectEqual(comparison, try bench.single(candidate))
      let exact = try single.single(candidate)
      #expect(abs(comparison.divergence - exact.divergence) <= 0.02 * exact.divergence + 1e-3)
      #expect(abs(comparison.perplexity.mean - exact.perplexity.mean) <= 0.01 * exact.perplexity.mean)
    }
    // The dense model rounds differently from itself, which is a divergence like any other.
    let dense = try bench.reference.compare(bench.model)
    #expect(dense.windowDivergences.allSatisfy { $0 > -1e-6 } && dense.divergence < 1e-3)
    #expect(bench.reference.perplexity.value == single.reference.perplexity.value)
  }

  /// Candidates share what comes before they differ, and nothing after it.
  @Test func workIsThatOfTheTrie() throws {
    let bench = try Bench(.mistralGQA, windows: 4)
    let halves = 2 * bench.model.configuration.layerCount
    let full = bench.model.configuration.layers.flatMap { [$0.kvHeads, $0.mlpChannels] }
    let evaluator = bench.evaluator(memory: 1 << 30)
    for half in 0..<halves {
      var other = full
      other[half] -= 1
      let work = try evaluator.compare([full, other]).work
      #expect(work == SharedWork(asked: 4 * 2 * halves, done: 4 * (half + 2 * (halves - half))))
    }
    let same = try evaluator.compare([full, full, full])
    #expect(same.work == SharedWork(asked: 4 * 3 * halves, done: 4 * halves))
    #expect(same.comparisons.allSatisfy { $0.divergence < 1e-6 })
    #expect(try evaluator.compare([]).comparisons.isEmpty)
  }

  @Test func partsAreAskedForOnceABlock() throws {
    let bench = try Bench(.llamaMHA, windows: 4)
    let asked = Counter()
    let model = bench.model
    let full = model.configuration.layers.flatMap { [$0.kvHeads, $0.mlpChannels] }
    var other = full
    other[0] -= 1
    let evaluator = GenerationEvaluator<Int>(reference: bench.reference, parent: model, bytes: 1 << 30) {
      layer, isMLP, width in
      asked.add()
      let units = KeptUnits(groups: isMLP ? [] : Array(0..<width), channels: isMLP ? Array(0..<width) : [])
      return try model.layer(layer).inherit(
        units, from: model.configuration.layers[layer], headDimension: model.configuration.headDimension)
    }
    _ = try evaluator.compare([full, other, full])
    // Two streams from the first half on, the same parts after it.
    #expect(asked.value == full.count + 1)
  }

  /// Sequences of many lengths, some of which begin alike: hidden states are those of each candidate alone.
  @Test(arguments: [Fixture.llamaMHA, .mistralGQA], [0, 1 << 30]) func sequencesAreThoseOfEach(
    _ fixture: Fixture, memory: Int
  ) throws {
    let bench = try Bench(fixture, windows: 1)
    var random = SeededGenerator(seed: 9)
    let vocabulary = bench.model.configuration.vocabularySize
    var sequences = (0..<80).map { _ in
      (0..<1 + random.integer(below: 30)).map { _ in Int32(random.integer(below: vocabulary)) }
    }
    sequences += sequences.prefix(20).map { $0 + [1, 2, 3] } + [sequences[0]]
    let last = sequences.map { min(2, $0.count) }
    let candidates = bench.candidates(7)
    var found = candidates.map { _ in [[Float]](repeating: [], count: sequences.count) }
    try bench.evaluator(memory: memory).forEachBlock(of: candidates, over: sequences, last: last) {
      members, numbers, hidden in
      var row = 0
      for number in numbers {
        let states = (row..<row + last[number]).flatMap { row in (0..<hidden.columns).map { hidden[row, $0] } }
        row += last[number]
        for member in members { found[member][number] = states }
      }
      #expect(row == hidden.rows)
    }
    for (candidate, found) in zip(candidates, found) {
      let subnet = bench.subnet(candidate)
      for (number, sequence) in sequences.enumerated() {
        let hidden = try ForwardPass(TokenWindows([sequence])).hiddenStates(of: subnet)
        let rows = sequence.count - last[number]..<sequence.count
        let expected = rows.flatMap { row in (0..<hidden.columns).map { hidden[row, $0] } }
        #expect(expected.count == found[number].count)
        #expect(zip(expected, found[number]).allSatisfy { abs($0 - $1) < 1e-4 }, "\(number)")
      }
    }
  }

  @Test func aCancellationEndsTheWork() throws {
    let bench = try Bench(.llamaMHA, windows: 2)
    let log = ProgressLog(cancellingAfter: 2)
    #expect(throws: CancellationError.self) {
      try bench.evaluator(memory: 1 << 30).compare(bench.candidates(3), monitor: log.monitor)
    }
    #expect(log.steps.count == 2)
  }

  private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0
    func add() { lock.withLock { count += 1 } }
    var value: Int { lock.withLock { count } }
  }
}
