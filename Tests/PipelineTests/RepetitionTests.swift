import Testing

@testable import Pipeline

@Suite struct RepetitionTests {
  @Test func runsThatRepeatAreCounted() {
    #expect(Repetition.rate(of: [1, 2, 3]) == nil)
    #expect(Repetition.rate(of: [1, 2, 3, 4, 5, 6]) == 0)
    // Runs 1231, 2312, 3123, 1231, 2312, 3123: three of six are new.
    #expect(Repetition.rate(of: [1, 2, 3, 1, 2, 3, 1, 2, 3]) == 0.5)
    #expect(Repetition.rate(of: Array(repeating: 7, count: 23)) == 0.95)
  }
}
