import Foundation
import Search
import Testing

@Suite struct DesignSpaceTests {
  @Test func integersStayOnTheirGrid() throws {
    let width = try Variable(name: "w", domain: .integer(low: 10, high: 39, step: 8))
    #expect(width.domain == .integer(low: 10, high: 34, step: 8))
    #expect(width.levels == 4)
    #expect((8...40).filter(width.allows) == [10, 18, 26, 34])
    #expect([-100, 13, 14, 15, 33, 99].map(width.nearest) == [10, 10, 10, 18, 34, 34])
  }

  @Test func invalidVariablesAreNamed() throws {
    #expect(throws: SearchError.invalidVariable(name: "w", reason: "low 3 is above high 2")) {
      try Variable(name: "w", domain: .integer(low: 3, high: 2, step: 1))
    }
    #expect(throws: SearchError.invalidVariable(name: "w", reason: "the step 0 is not positive")) {
      try Variable(name: "w", domain: .integer(low: 1, high: 2, step: 0))
    }
    #expect(throws: SearchError.self) { try Variable(name: "w", domain: .integer(low: .min, high: .max, step: 1)) }
    #expect(throws: SearchError.self) { try Variable(name: "w", domain: .integer(low: 0, high: .max, step: 1)) }
    #expect(throws: SearchError.self) { try Variable(name: "", domain: .integer(low: 0, high: 1, step: 1)) }
    #expect(throws: SearchError.self) { try Variable(name: "c", domain: .categorical([])) }
    #expect(throws: SearchError.self) { try Variable(name: "c", domain: .categorical(["a", "a"])) }
    let twin = try Variable(name: "w", domain: .categorical(["a"]))
    #expect(throws: SearchError.duplicateVariable(name: "w")) { try DesignSpace([twin, twin]) }
  }

  @Test func genomesAreValidated() throws {
    let (space, _) = try Spaces.layers(2)
    try space.validate([1, 32, 3, 1536, 2])
    #expect(throws: SearchError.wrongGenomeLength(expected: 5, found: 1)) { try space.validate([1]) }
    #expect(
      throws: SearchError.valueOutsideDomain(variable: "layers.1.mlp", value: 33, domain: "32...1536 step 32")
    ) { try space.validate([1, 32, 3, 33, 2]) }
    #expect(throws: SearchError.self) { try space.validate([1, 32, 3, 32, 3]) }
    #expect(space.size == 3 * 48 * 4 * 48 * 3)
    #expect(
      space.describe([1, 32, 0, 64, 1])
        == "layers.0.attention=1 layers.0.mlp=32 layers.1.attention=0 layers.1.mlp=64 score=b")
  }

  @Test func canonicalFormsAndHashes() {
    #expect([1, -2, 3].canonical == "1,-2,3")
    let offset: UInt64 = 0xcbf2_9ce4_8422_2325
    #expect(Genome().stableHash == offset)
    // FNV-1a of the byte "1" is (offset xor 0x31) times prime.
    #expect([1].stableHash == (offset ^ 0x31) &* 0x100_0000_01b3)
    #expect([1, 23].stableHash != [12, 3].stableHash)
  }

  @Test func spacesSurviveJSON() throws {
    let (space, _) = try Spaces.layers(3)
    let text = try JSONEncoder().encode(space)
    #expect(try JSONDecoder().decode(DesignSpace.self, from: text) == space)
    let empty = #"[{"name":"a","segment":0,"module":"","low":5,"high":1,"step":1}]"#
    #expect(throws: SearchError.self) { try JSONDecoder().decode(DesignSpace.self, from: Data(empty.utf8)) }
  }

  @Test func costsAreCheckedAgainstTheSpace() throws {
    let (space, cost) = try Spaces.layers(1)
    #expect(cost.cost([2, 64, 1]) == 1000 + 2 * 294_912 + 64 * 1728)
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: 0, weights: [1])) }
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: 0, weights: [1, -1, 0])) }
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: 0, weights: [1, 1, 1])) }
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: 0, weights: [.max, 1, 0])) }
    #expect(throws: SearchError.self) { try BudgetedSpace(space, cost: LinearCost(base: .min, weights: [1, 1, 0])) }
  }
}
