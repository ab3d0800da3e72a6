import LinearAlgebra
import ReaderFuzzing
import Testing

/// A short run of the fuzzers without a guide; `make fuzz` is the long one. Each reader either reads an input or refuses it by
/// an error of its own. One after another: a reader's inputs are files of one name.
@Suite(.serialized) struct ReaderFuzzTests {
  /// Enough to go through every mutation many times; about a minute for all readers together.
  private static let rounds = 20_000
  /// Readers that take milliseconds an input get fewer.
  private static let slow = ["study": 1000, "tokenizer": 10_000, "search-space": 10_000]
  private static let names = FuzzedReader.all.map(\.name)

  @Test(arguments: names) func seedsAreRead(_ name: String) throws {
    let reader = try #require(FuzzedReader.named(name))
    let outcomes = try reader.seeds().map { try reader.run($0) }
    // Mutations of what is refused would say little.
    #expect(outcomes.filter { $0 == .accepted }.count * 2 >= outcomes.count, "\(outcomes)")
    #expect(!outcomes.isEmpty)
  }

  @Test(arguments: names) func mutatedSeeds(_ name: String) throws {
    let reader = try #require(FuzzedReader.named(name))
    var inputs = try reader.seeds()
    var generator = SeededGenerator(seed: 26)
    var mutator = try Mutator(reader, seed: 26)
    var refused = 0
    let rounds = Self.slow[name] ?? Self.rounds
    for round in 0..<rounds {
      let place = Int.random(in: 0..<inputs.count, using: &generator)
      let input = mutator.mutate(inputs[place], limit: 1 << 14)
      do {
        if try reader.run(input) == .accepted {
          // What was read is a new beginning, so that changes add up.
          if inputs.count < 100 { inputs.append(input) } else if place > 20 { inputs[place] = input }
        } else {
          refused += 1
        }
      } catch {
        Issue.record("\(name), round \(round): \(error)\n\(input)")
        return
      }
    }
    // The damage is real, and not all is lost by it. (To an address, almost any text is a folder.)
    #expect(refused > rounds / 1000 && refused < rounds - rounds / 50, "\(refused) of \(rounds) inputs were refused")
  }

  /// What `make fuzz` once found.
  @Test(arguments: names) func regressions(_ name: String) throws {
    let reader = try #require(FuzzedReader.named(name))
    for input in try reader.regressions() { _ = try reader.run(input) }
  }

  /// A mutation depends on the seed alone, so that a failure can be had again.
  @Test(arguments: names) func mutationsRepeat(_ name: String) throws {
    let reader = try #require(FuzzedReader.named(name))
    let seed = try #require(try reader.seeds().first)
    var (first, second) = (try Mutator(reader, seed: 7), try Mutator(reader, seed: 7))
    for _ in 0..<50 { #expect(first.mutate(seed, limit: 4096) == second.mutate(seed, limit: 4096)) }
  }
}
