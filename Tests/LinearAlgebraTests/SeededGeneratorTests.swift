import Testing

@testable import LinearAlgebra

@Suite struct SeededGeneratorTests {
  /// First outputs published with the reference implementations.
  @Test func matchesPublishedOutputs() {
    #expect(
      (0..<5).map { splitMix64(1_234_567, $0) } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
    var generator = SeededGenerator(state: (1, 2, 3, 4))
    #expect(
      (0..<5).map { _ in generator.next() } == [
        41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205,
      ])
  }

  @Test func streamsAreReproducibleAndDistinct() {
    func draws(_ seed: UInt64, _ stream: UInt64) -> [UInt64] {
      var generator = SeededGenerator(seed: seed, stream: stream)
      return (0..<4).map { _ in generator.next() }
    }
    #expect(draws(7, 3) == draws(7, 3))
    var seen = Set<[UInt64]>()
    for seed in 0..<20 as Range<UInt64> {
      for stream in 0..<20 as Range<UInt64> { seen.insert(draws(seed, stream)) }
    }
    #expect(seen.count == 400)
  }

  @Test func boundedDrawsAreUniform() {
    var generator = SeededGenerator(seed: 1)
    var counts = Array(repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[generator.integer(below: 7)] += 1 }
    // Standard deviation of a count is 93; six of them.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 560 })
    var weighted = Array(repeating: 0, count: 4)
    for _ in 0..<40_000 {
      if let index = generator.index(weights: [1, 0, -3, 3]) { weighted[index] += 1 }
    }
    #expect(weighted[1] == 0 && weighted[2] == 0 && abs(weighted[0] - 10_000) < 520)
    #expect(generator.index(weights: [0, -1]) == nil)
    #expect(generator.index(weights: []) == nil)
  }

  @Test func magnitudesStayInRangeAndFavourSmall() {
    var generator = SeededGenerator(seed: 2)
    for limit in [0, 1, 2, 3, 4, 7, 8, 100] {
      let draws = (0..<2000).map { _ in generator.magnitude(upTo: limit) }
      #expect(draws.min() == 1)
      #expect(draws.max() == max(1, limit))
    }
    let draws = (0..<10_000).map { _ in generator.magnitude(upTo: 100) }
    #expect(draws.count { $0 < 8 } > 3800)
    #expect(draws.count { $0 >= 50 } > 500)
  }

  @Test func unitsFillTheUnitInterval() {
    var random = SeededGenerator(seed: 3)
    var counts = Array(repeating: 0, count: 10)
    for _ in 0..<50_000 {
      let x = random.unit()
      #expect(x >= 0 && x < 1)
      counts[Int(x * 10)] += 1
    }
    // The standard deviation of a count is 67; six of them.
    #expect(counts.allSatisfy { abs($0 - 5000) < 400 })
  }
}
