/// Tools for sets of objective vectors. Every objective is minimised; points are named by their index in the given
/// list.
public enum ParetoFront {
  /// Whether `a` is at least as good as `b` in every objective and better in one.
  public static func dominates(_ a: [Double], _ b: [Double]) -> Bool {
    var better = false
    for (x, y) in zip(a, b) {
      if x > y { return false }
      if x < y { better = true }
    }
    return better
  }

  /// The points that no other point dominates, in the given order. Equal points do not dominate each other, so all of
  /// them stay. Points with a NaN are left out.
  public static func nonDominated(_ points: [[Double]]) -> [Int] {
    let comparable = points.indices.filter { index in !points[index].contains(where: \.isNaN) }
    // In lexicographic order only an earlier point can dominate a point, and if any does, a point of the front does.
    let order = comparable.sorted { points[$0].lexicographicallyPrecedes(points[$1]) }
    var front: [Int] = []
    for index in order where !front.contains(where: { dominates(points[$0], points[index]) }) { front.append(index) }
    return front.sorted()
  }

  /// The fronts one after another: the non-dominated points, the non-dominated points of the rest, and so on.
  public static func fronts(_ points: [[Double]]) -> [[Int]] {
    var fronts: [[Int]] = []
    var rest = Array(points.indices)
    while !rest.isEmpty {
      let front = nonDominated(rest.map { points[$0] }).map { rest[$0] }
      // Points with a NaN do not compare: they come last, together.
      fronts.append(front.isEmpty ? rest : front)
      rest.removeAll(where: Set(fronts[fronts.count - 1]).contains)
    }
    return fronts
  }

  /// The room of each point among the others of its front: the sum over the objectives of the distance between its two
  /// neighbours, in units of the front's range. Infinite at the ends.
  ///
  /// Source: Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002,
  /// section III.B.
  public static func crowdingDistances(_ front: [[Double]]) -> [Double] {
    var distances = Array(repeating: 0.0, count: front.count)
    guard let objectives = front.first?.count else { return [] }
    for objective in 0..<objectives {
      let order = front.indices.sorted {
        front[$0][objective] == front[$1][objective] ? $0 < $1 : front[$0][objective] < front[$1][objective]
      }
      let range = front[order[order.count - 1]][objective] - front[order[0]][objective]
      distances[order[0]] = .infinity
      distances[order[order.count - 1]] = .infinity
      if range <= 0 { continue }
      for place in order.indices.dropFirst().dropLast() {
        let gap = front[order[place + 1]][objective] - front[order[place - 1]][objective]
        distances[order[place]] += gap / range
      }
    }
    return distances
  }

  /// The point at which a two-objective front bends most. Each objective of the non-dominated points is scaled to 0…1;
  /// the point is the one farthest below the straight line between the two ends. If none lies below it, it is an end.
  ///
  /// - Returns: `nil` if there are no points.
  /// - Throws: `SearchError.unsupportedObjectiveCount` if there are not two objectives.
  public static func knee(_ points: [[Double]]) throws(SearchError) -> Int? {
    for point in points where point.count != 2 {
      throw .unsupportedObjectiveCount(measure: "the knee point", supported: "2", found: point.count)
    }
    let front = nonDominated(points).filter { index in points[index].allSatisfy(\.isFinite) }
      .sorted { points[$0].lexicographicallyPrecedes(points[$1]) }
    guard let first = front.first, let last = front.last else { return nil }
    let width = points[last][0] - points[first][0]
    let height = points[first][1] - points[last][1]
    if width <= 0 || height <= 0 { return first }
    var best = (index: first, depth: 0.0)
    for index in front {
      let depth = 1 - (points[index][0] - points[first][0]) / width - (points[index][1] - points[last][1]) / height
      if depth > best.depth { best = (index, depth) }
    }
    return best.index
  }

  /// The point with the smallest `objective` among those whose `bounded` objective is at most `bound`. Among equal
  /// ones, the one with the smaller `bounded` value, then the earlier one. `nil` if there is none.
  public static func best(_ points: [[Double]], by objective: Int, where bounded: Int, atMost bound: Double) -> Int? {
    let inside = points.indices.filter { index in
      points[index].indices.contains(objective) && points[index].indices.contains(bounded)
        && points[index][bounded] <= bound && !points[index][objective].isNaN
    }
    return inside.min {
      (points[$0][objective], points[$0][bounded], $0) < (points[$1][objective], points[$1][bounded], $1)
    }
  }
}
