/// The time of a module at every width, from times that were measured at some.
///
/// More units never take less time. Where measurements say so, it is noise, and neighbours that are out of order share
/// their mean (isotonic regression by pooling adjacent violators; Ayer et al. 1955). Between measured widths lie straight
/// lines. A module without units takes no time unless that was measured, too.
public struct LatencyCurve: Equatable, Sendable {
  /// Ascending.
  private let widths: [Int]
  /// Seconds, never falling.
  private let seconds: [Double]

  /// - Parameter times: at least one, by ascending widths.
  public init(_ times: [LatencyTable.WidthTime]) {
    let anchored = (times.first?.width == 0 ? [] : [.init(width: 0, seconds: 0, spread: 0)]) + times
    widths = anchored.map(\.width)
    seconds = Self.rising(anchored.map(\.seconds))
  }

  /// Least squares among the sequences that never fall.
  static func rising(_ values: [Double]) -> [Double] {
    var pools: [(sum: Double, count: Int)] = []
    for value in values {
      pools.append((value, 1))
      while pools.count > 1 {
        let (last, before) = (pools[pools.count - 1], pools[pools.count - 2])
        if before.sum * Double(last.count) <= last.sum * Double(before.count) { break }
        pools.removeLast(2)
        pools.append((before.sum + last.sum, before.count + last.count))
      }
    }
    return pools.flatMap { Array(repeating: $0.sum / Double($0.count), count: $0.count) }
  }

  /// Seconds at a width; one beyond the measured ones takes as long as the last of them.
  public func seconds(at width: Int) -> Double {
    guard let above = widths.firstIndex(where: { $0 >= width }) else { return seconds.last ?? 0 }
    if above == 0 || widths[above] == width { return seconds[above] }
    let share = Double(width - widths[above - 1]) / Double(widths[above] - widths[above - 1])
    return seconds[above - 1] + share * (seconds[above] - seconds[above - 1])
  }
}
