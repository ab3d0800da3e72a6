import Evaluation
import LanguageModels
import Search
import Studies
import Subnets

/// The Pareto front of a study, numbered from the largest subnet to the smallest.
public struct FrontPoints: Sendable {
  public let front: [FrontPoint]
  let model: ModelSummary
  private let objectives: ObjectiveList
  private let trials: [StoredTrial]

  init(study: Study, description: StudyDescription, trials: [StoredTrial]) throws {
    self.trials = trials
    objectives = description.objectives
    model = description.model
    let complete = trials.filter { $0.state == .complete }
    let members = ParetoFront.nonDominated(complete.map { study.minimized($0.values) }).map { complete[$0] }
    var points: [FrontPoint] = try members.compactMap { trial in
      try TrialDescription(trial, of: study).map { stored in
        FrontPoint(
          index: 0, trial: trial.number, measurement: stored.measurement, score: stored.score,
          calibration: stored.calibration,
          widths: study.space.genes(of: trial, layers: description.model.layers).widths)
      }
    }
    // Equal points differ in nothing that was measured: the first found stands for all.
    points.sort { ($1.measurement.parametersBlock, $0.trial) < ($0.measurement.parametersBlock, $1.trial) }
    var unique: [FrontPoint] = []
    for point in points where unique.last?.measurement != point.measurement { unique.append(point) }
    for index in unique.indices { unique[index].index = index }
    if let best = Self.best(unique, objectives, within: description.bestParameters) { unique[best].isBest = true }
    if let knee = try Self.knee(unique, objectives) { unique[knee].isKnee = true }
    front = unique
  }

  /// The point with the best value of the first objective within a size; the smallest if none is within it.
  static func best(_ points: [FrontPoint], _ objectives: ObjectiveList, within parameters: Int) -> Int? {
    let fits = points.indices.filter { points[$0].measurement.parametersBlock <= parameters }
    return best(fits, of: points, objectives) ?? points.indices.last
  }

  private static func best(_ indices: [Int], of points: [FrontPoint], _ objectives: ObjectiveList) -> Int? {
    let values = points.map { objectives.minimized($0.measurement).first ?? .nan }
    return indices.filter { !values[$0].isNaN }.min { values[$0] < values[$1] }
  }

  /// Where the front bends most: between its two objectives, or between the first and the size if there are not two.
  static func knee(_ points: [FrontPoint], _ objectives: ObjectiveList) throws -> Int? {
    try ParetoFront.knee(
      points.map { point in
        let values = objectives.minimized(point.measurement)
        return values.count == 2 ? values : [values.first ?? .nan, Double(point.measurement.parametersBlock)]
      })
  }

  /// The point that a command line names: `best`, `knee` or a number.
  ///
  /// What the best point may cost.
  struct Limit {
    /// The option that says so.
    let option: String
    let holds: (FrontPoint) throws -> Bool
  }

  /// - Parameter limit: of `best`, instead of the study's own target.
  func point(_ name: String, within limit: Limit?) throws -> FrontPoint {
    let available = front.isEmpty ? "it is empty" : "0 to \(front.count - 1), best, knee"
    let found: FrontPoint?
    if name == "best", let limit {
      let fits = try front.indices.filter { try limit.holds(front[$0]) }
      found = Self.best(fits, of: front, objectives).map { front[$0] }
      if found == nil, let smallest = front.last {
        throw PipelineError.noPoint(
          wanted: "within \(limit.option)",
          available: "the smallest keeps \((smallest.measurement.keepRatio * 1000).rounded(.up) / 1000)")
      }
    } else if name == "best" {
      found = front.first(where: \.isBest)
    } else if name == "knee" {
      found = front.first(where: \.isKnee) ?? front.first(where: \.isBest)
    } else {
      found = Int(name).flatMap { number in front.first { $0.index == number } }
    }
    guard let found else { throw PipelineError.noPoint(wanted: "'\(name)'", available: available) }
    return found
  }

  public func trial(_ point: FrontPoint) -> StoredTrial? { trials.first { $0.number == point.trial } }
}

extension DesignSpace {
  /// What a trial chose by the names of the variables, without the model.
  func genes(
    of trial: StoredTrial, layers: Int
  ) -> (widths: [LayerWidths], score: String, calibration: String) {
    var attention: [Int] = []
    var mlp: [Int] = []
    var choices: [String: String] = [:]
    for (variable, value) in zip(variables, trial.genome) {
      switch (variable.module, variable.domain) {
      case ("attention", _): attention.append(value)
      case ("mlp", _): mlp.append(value)
      case (let module, .categorical(let names)) where names.indices.contains(value): choices[module] = names[value]
      default: break
      }
    }
    var widths = zip(attention, mlp).map { LayerWidths(groups: $0, channels: $1) }
    if widths.count == 1 { widths = Array(repeating: widths[0], count: layers) }
    let calibration = BoundSpace.statistics(
      choices["calibration"] ?? "", samples: choices["samples"].flatMap { Int($0) })
    return (widths, choices["score"] ?? "", calibration)
  }
}
