extension ParetoFront {
  /// The volume that the points dominate, bounded by the reference point. A larger volume means a better front.
  ///
  /// The result is exact. Two objectives are summed in strips along the first. Three are cut along the third into
  /// slices, each with a constant two-objective area, in O(n² log n). Points that are not better than the reference in
  /// every objective contribute nothing.
  ///
  /// - Parameter reference: the worst corner, one value for each objective.
  /// - Throws: `SearchError.unsupportedObjectiveCount` for no or more than three objectives, or a point with a
  ///   different number than the reference.
  public static func hypervolume(_ points: [[Double]], reference: [Double]) throws(SearchError) -> Double {
    for count in [reference.count] + points.map(\.count) where count != reference.count || !(1...3).contains(count) {
      throw .unsupportedObjectiveCount(measure: "the hypervolume", supported: "1 to 3 equally many", found: count)
    }
    let inside = points.filter { point in zip(point, reference).allSatisfy { $0 < $1 } }
    return switch reference.count {
    case 1: inside.map { reference[0] - $0[0] }.max() ?? 0
    case 2: area(inside.map { ($0[0], $0[1]) }, reference: (reference[0], reference[1]))
    default: volume(inside, reference: reference)
    }
  }

  private static func area(_ points: [(Double, Double)], reference: (Double, Double)) -> Double {
    var total = 0.0
    var ceiling = reference.1
    for point in points.sorted(by: <) where point.1 < ceiling {
      total += (reference.0 - point.0) * (ceiling - point.1)
      ceiling = point.1
    }
    return total
  }

  private static func volume(_ points: [[Double]], reference: [Double]) -> Double {
    let sorted = points.sorted { $0[2] < $1[2] }
    var total = 0.0
    var below: [(Double, Double)] = []
    for (index, point) in sorted.enumerated() {
      below.append((point[0], point[1]))
      let top = index + 1 < sorted.count ? sorted[index + 1][2] : reference[2]
      if top > point[2] { total += (top - point[2]) * area(below, reference: (reference[0], reference[1])) }
    }
    return total
  }
}
