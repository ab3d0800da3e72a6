import LinearAlgebra
import Testing

@testable import Search

@Suite struct GeneImportanceTests {
  private static func space() throws -> DesignSpace {
    try DesignSpace([
      Variable(name: "strong", domain: .integer(low: 0, high: 20, step: 1), segment: 0),
      Variable(name: "weak", domain: .integer(low: 0, high: 20, step: 1), segment: 1),
      Variable(name: "idle", domain: .integer(low: 0, high: 20, step: 1), segment: 2),
      Variable(name: "choice", domain: .categorical(["a", "b", "c"]), segment: 3),
      Variable(name: "fixed", domain: .integer(low: 4, high: 4, step: 1), segment: 4),
    ])
  }

  private static func genomes(_ count: Int) throws -> [Genome] {
    let variables = try space().variables
    return (0..<count).map { number in
      var generator = SeededGenerator(seed: 3, stream: UInt64(number))
      return variables.map { $0.lowest + Int(generator.unit() * Double($0.levels)) * $0.step }
    }
  }

  /// The shares of an additive function are the variances of its terms: 16 : 1 : 0 for the numbers, and that of the
  /// choice.
  @Test func sharesOfAnAdditiveFunction() throws {
    let genomes = try Self.genomes(150)
    let values = genomes.map { 4 * Double($0[0]) + Double($0[1]) + [0, 30, 0][$0[3]] + 100 }
    let shares = try #require(GeneImportance.shares(try Self.space(), genomes: genomes, values: values))
    let numbers = (21.0 * 21 - 1) / 12
    let choice = 900.0 * 2 / 9
    let total = 17 * numbers + choice
    let expected = [16 * numbers / total, numbers / total, 0, choice / total, 0]
    for (share, expected) in zip(shares, expected) { #expect(abs(share - expected) < 0.08, "\(shares) \(expected)") }
    #expect(shares[4] == 0)
    #expect(shares[2] < 0.01)
  }

  @Test func tooLittleToSay() throws {
    let genomes = try Self.genomes(40)
    let space = try Self.space()
    #expect(GeneImportance.shares(space, genomes: genomes, values: genomes.map { _ in 1 }) == nil)
    let few = Array(genomes.prefix(GeneImportance.leastObservations - 1))
    #expect(GeneImportance.shares(space, genomes: few, values: few.map { Double($0[0]) }) == nil)
    let infinite = genomes.map { $0[0] == 0 ? Double.infinity : Double($0[0]) }
    #expect(GeneImportance.shares(space, genomes: genomes, values: infinite) != nil)
  }
}
