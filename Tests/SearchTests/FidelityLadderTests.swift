import Search
import Testing

@Suite struct FidelityLadderTests {
  @Test(arguments: [
    (12, 1, [12]), (12, 3, [3, 6, 12]), (7, 3, [2, 4, 7]), (5, 9, [1, 2, 3, 5]), (1, 4, [1]),
  ])
  func rungsDouble(_ windows: Int, _ count: Int, _ rungs: [Int]) {
    #expect(FidelityLadder(windows: windows, count: count).rungs == rungs)
  }

  @Test func theBetterHalfClimbs() {
    #expect(FidelityLadder.climbers([[3], [1], [4], [2]], front: [[0]]) == [1, 3])
    #expect(FidelityLadder.climbers([[3], [1], [2]], front: [[0]]) == [1, 2])
    #expect(FidelityLadder.climbers([], front: []).isEmpty)
  }

  /// Ranks decide before crowding, and crowding among equals: the ends of a front first.
  @Test func ranksComeFirst() {
    let points = [[1.0, 4], [2, 3], [2.1, 2.9], [4, 1], [5, 5], [6, 6], [7, 7], [8, 8]]
    #expect(FidelityLadder.climbers(points, front: [[0, 0]]) == [0, 1, 2, 3])
    #expect(FidelityLadder.climbers(Array(points.prefix(4)), front: [[0, 0]]) == [0, 3])
  }

  /// Every candidate that the front does not dominate may belong to it, and climbs.
  @Test func whatMayBelongToTheFrontClimbs() {
    let points = [[1.0, 4], [2, 3], [3, 2], [4, 1]]
    #expect(FidelityLadder.climbers(points, front: [[2.5, 1.5]]) == [0, 1, 3])
    #expect(FidelityLadder.climbers(points, front: []) == [0, 1, 2, 3])
  }

  @Test func whatIsNotFiniteStays() {
    #expect(FidelityLadder.climbers([[.infinity], [.nan], [1], [2]], front: [[0]]) == [2])
    #expect(FidelityLadder.climbers([[.infinity], [.nan]], front: []).isEmpty)
  }

  @Test func rankCorrelation() throws {
    let same = try #require(RankCorrelation.spearman([1, 5, 9], [0.1, 0.2, 7]))
    let opposite = try #require(RankCorrelation.spearman([1, 5, 9], [3, 2, -1]))
    #expect(abs(same - 1) < 1e-12 && abs(opposite + 1) < 1e-12)
    // Ranks 0, 1½, 1½, 3 and 0, 2, 1, 3: 4.5 / √(4.5 · 5).
    let tied = try #require(RankCorrelation.spearman([1, 2, 2, 4], [1, 3, 2, 4]))
    #expect(abs(tied - 0.9486832980505138) < 1e-12)
    for (a, b) in [([1.0], [1.0]), ([1, 1], [1, 2]), ([1, .nan], [1, 2]), ([1, 2], [1, 2, 3])] {
      #expect(RankCorrelation.spearman(a, b) == nil)
    }
  }
}
