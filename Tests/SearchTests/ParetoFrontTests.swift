import LinearAlgebra
import Search
import Testing

@Suite struct ParetoFrontTests {
  private func points(_ count: Int, _ dimensions: Int, seed: UInt64, grid: Int = 12) -> [[Double]] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in (0..<dimensions).map { _ in Double(generator.integer(below: grid)) / Double(grid) } }
  }

  @Test func dominance() {
    #expect(ParetoFront.dominates([1, 2], [1, 3]))
    #expect(!ParetoFront.dominates([1, 2], [1, 2]))
    #expect(!ParetoFront.dominates([0, 3], [1, 2]))
  }

  @Test func frontsMatchBruteForce() {
    for seed in 0..<60 as Range<UInt64> {
      let all = points(40, 2 + Int(seed % 2), seed: seed)
      var rest = Array(all.indices)
      var peeled: [[Int]] = []
      while !rest.isEmpty {
        let front = rest.filter { index in !rest.contains { ParetoFront.dominates(all[$0], all[index]) } }
        peeled.append(front)
        rest.removeAll(where: front.contains)
      }
      #expect(ParetoFront.fronts(all) == peeled)
      #expect(ParetoFront.nonDominated(all) == peeled[0])
    }
    #expect(ParetoFront.nonDominated([]) == [])
    #expect(ParetoFront.nonDominated([[.nan, 0], [1, 1]]) == [1])
    #expect(ParetoFront.nonDominated([[1, 1], [1, 1]]) == [0, 1])
  }

  @Test func crowdingMeasuresNeighbours() {
    let distances = ParetoFront.crowdingDistances([[0, 10], [1, 6], [3, 4], [10, 0]])
    #expect(distances[0] == .infinity && distances[3] == .infinity)
    #expect(abs(distances[1] - (0.3 + 0.6)) < 1e-12)
    #expect(abs(distances[2] - (0.9 + 0.6)) < 1e-12)
    #expect(ParetoFront.crowdingDistances([]) == [])
    #expect(ParetoFront.crowdingDistances([[1, 1], [1, 1], [1, 1]])[1] == 0)
  }

  @Test func hypervolumesInClosedForm() throws {
    #expect(try ParetoFront.hypervolume([], reference: [1, 1]) == 0)
    #expect(try ParetoFront.hypervolume([[3], [1]], reference: [4]) == 3)
    #expect(try ParetoFront.hypervolume([[1, 3], [2, 2], [3, 1], [3, 3], [5, 0]], reference: [4, 4]) == 6)
    // Three boxes of edge 3·1·1 on the axes of a cube, overlapping in the unit cube at the corner.
    let boxes: [[Double]] = [[0, 2, 2], [2, 0, 2], [2, 2, 0]]
    #expect(try ParetoFront.hypervolume(boxes, reference: [3, 3, 3]) == 7)
    #expect(throws: SearchError.self) { try ParetoFront.hypervolume([], reference: [1, 1, 1, 1]) }
    #expect(throws: SearchError.self) { try ParetoFront.hypervolume([[1, 2, 3]], reference: [1, 1]) }
  }

  /// On a grid every cell is either dominated or not, so counting the cells gives the exact volume.
  @Test func hypervolumesMatchCountingCells() throws {
    let grid = 12
    for seed in 0..<20 as Range<UInt64> {
      for dimensions in [2, 3] {
        let all = points(15, dimensions, seed: seed, grid: grid)
        var cells = 0
        let total = dimensions == 2 ? grid * grid : grid * grid * grid
        for cell in 0..<total {
          let corner = (0..<dimensions).map { axis in
            Double(cell / (axis == 0 ? 1 : axis == 1 ? grid : grid * grid) % grid) / Double(grid)
          }
          if all.contains(where: { point in zip(point, corner).allSatisfy { $0 <= $1 } }) { cells += 1 }
        }
        let reference = Array(repeating: 1.0, count: dimensions)
        let volume = try ParetoFront.hypervolume(all, reference: reference)
        #expect(abs(volume - Double(cells) / Double(total)) < 1e-12)
      }
    }
  }

  @Test func kneeIsTheDeepestBend() throws {
    let hyperbola = (1...20).map { [Double($0), 400 / Double($0)] }
    #expect(try ParetoFront.knee(hyperbola) == 3)
    #expect(try ParetoFront.knee([[0, 10], [1, 1], [10, 0], [5, 5]]) == 1)
    #expect(try ParetoFront.knee([[2, 2]]) == 0)
    #expect(try ParetoFront.knee([]) == nil)
    // Nothing lies below the chord: an end.
    #expect(try ParetoFront.knee([[0, 10], [6, 9], [10, 0]]) == 0)
    #expect(throws: SearchError.self) { try ParetoFront.knee([[1, 2, 3]]) }
  }

  @Test func bestUnderABound() {
    let all: [[Double]] = [[5, 1], [3, 2], [2, 4], [3, 1.5], [1, 9]]
    #expect(ParetoFront.best(all, by: 0, where: 1, atMost: 4) == 2)
    #expect(ParetoFront.best(all, by: 0, where: 1, atMost: 2) == 3)
    #expect(ParetoFront.best(all, by: 0, where: 1, atMost: 0.5) == nil)
    #expect(ParetoFront.best(all, by: 7, where: 1, atMost: 4) == nil)
  }
}
