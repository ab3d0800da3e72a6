/// Growing numbers of windows to judge candidates on: all candidates are judged on the first rung, and the better ones
/// climb.
///
/// Source: successive halving, Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
/// optimization", 2016; here with non-dominated ranks for several objectives, and nothing computed twice.
public struct FidelityLadder: Sendable, Equatable {
  /// Number of windows on which a candidate has been judged when it leaves a rung, ascending; the last is all windows.
  public let rungs: [Int]

  /// Every rung has twice the windows of the one below.
  ///
  /// - Parameters:
  ///   - windows: number of all windows.
  ///   - count: number of rungs; fewer if there are too few windows.
  public init(windows: Int, count: Int) {
    var rungs = [windows]
    while rungs.count < count, let last = rungs.last, last > 1 { rungs.append((last + 1) / 2) }
    self.rungs = rungs.reversed()
  }

  /// The candidates that climb: the better half by rank and crowding, and each that may belong to the front.
  ///
  /// - Parameters:
  ///   - objectives: estimates, all minimised; infinite ones never climb.
  ///   - front: objectives of the best candidates that were judged on all windows.
  /// - Returns: indices, ascending.
  public static func climbers(_ objectives: [[Double]], front: [[Double]]) -> [Int] {
    let finite = objectives.indices.filter { objectives[$0].allSatisfy(\.isFinite) }
    let half = (finite.count + 1) / 2
    var chosen: [Int] = []
    for rank in ParetoFront.fronts(finite.map { objectives[$0] }) where chosen.count < half {
      let members = rank.map { finite[$0] }
      let distances = ParetoFront.crowdingDistances(members.map { objectives[$0] })
      let order = members.indices.sorted { (-distances[$0], $0) < (-distances[$1], $1) }
      chosen += order.prefix(half - chosen.count).map { members[$0] }
    }
    let open = finite.filter { index in !front.contains { ParetoFront.dominates($0, objectives[index]) } }
    return Set(chosen + open).sorted()
  }
}
