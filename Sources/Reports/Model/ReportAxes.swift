import Evaluation
import Search

/// What a chart, a figure or a table may show of every point.
extension StudyReport {
  /// The share of the block parameters that is left.
  static let keptAxis = ObjectiveDescription(
    name: "kept", title: "block parameters kept", unit: "", summary: "The share of the block parameters that is left.",
    style: .share, direction: .minimize, isSize: true)
  static let totalAxis = ObjectiveDescription(
    name: "total_parameters", title: "parameters", unit: "",
    summary: "All parameters: embeddings, norms and the output head, too.", style: .count, direction: .minimize,
    isSize: true)

  /// Everything that was measured of more than the dense model, by name: the objectives, what was measured beside them, and sizes.
  public var axes: [ObjectiveDescription] {
    let known = objectives + observed + [Self.keptAxis, Self.totalAxis] + fileColumns.map(\.axis)
    let points = plotted.filter { $0.kind != .dense }
    return known.indices.filter { place in
      !known[..<place].contains { $0.name == known[place].name }
        && points.contains { $0.values[known[place].name]?.isFinite ?? false }
    }.map { known[$0] }
  }

  /// The size that was searched by (block parameters if there is none) and the quality over it.
  var usualAxes: AxisPair? {
    let sizes = objectives.filter(\.isSize) + observed.filter { $0.name == BlockParameters().name } + [Self.keptAxis]
    guard let size = sizes.first, let quality, size.name != quality.name else { return nil }
    return AxisPair(x: size, y: quality)
  }

  /// Two axes by their names, as `--axes X,Y` gives them.
  ///
  /// - Parameter text: two names with a comma between them; `nil` for the usual ones.
  /// - Throws: `AxisError`.
  public func axes(_ text: String?) throws(AxisError) -> AxisPair {
    guard let text else {
      guard let usualAxes else { throw .nothingMeasured }
      return usualAxes
    }
    let known = axes
    let names = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimming(" ") }
    guard names.count == 2, names[0] != names[1] else { throw .count(text) }
    var found: [ObjectiveDescription] = []
    for name in names {
      guard let axis = known.first(where: { $0.name == name }) else {
        throw .unknown(name: name, known: known.map(\.name))
      }
      found.append(axis)
    }
    return AxisPair(x: found[0], y: found[1])
  }
}

/// What is drawn over what.
public struct AxisPair: Equatable, Sendable {
  public var x: ObjectiveDescription
  public var y: ObjectiveDescription

  /// Places of the points that no other beats in both; equal ones all. Those without both values are left out.
  func front(of points: [PlottedPoint]) -> [Int] {
    let measured = points.indices.compactMap { place in at(points[place]).map { (place: place, values: $0) } }
    return ParetoFront.nonDominated(
      measured.map { [x.direction.minimized($0.values.x), y.direction.minimized($0.values.y)] }
    ).map { measured[$0].place }
  }

  /// Where a point stands; `nil` if one of the values is unknown or not finite.
  func at(_ point: PlottedPoint) -> (x: Double, y: Double)? {
    guard let x = point.values[x.name], let y = point.values[y.name], x.isFinite, y.isFinite else { return nil }
    return (x, y)
  }
}

public enum AxisError: Error, Equatable, CustomStringConvertible {
  case unknown(name: String, known: [String])
  case count(String)
  case nothingMeasured

  public var description: String {
    switch self {
    case .unknown(let name, let known):
      "unknown axis '\(name)' (measured of this study's points: \(known.joined(separator: ", ")))"
    case .count(let text):
      "--axes takes two different names with a comma between them, such as params,kl, not '\(text)'"
    case .nothingMeasured: "nothing was measured of this study's points yet"
    }
  }
}

extension StringProtocol {
  fileprivate func trimming(_ character: Character) -> String {
    String(drop { $0 == character }.reversed().drop { $0 == character }.reversed())
  }
}
