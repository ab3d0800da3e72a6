import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Runtime
import Studies
import Subnets
import Workbench

/// How a search measures: candidates compete on growing numbers of windows.
extension CandidateEvaluator {
  typealias Measured = (measurement: SubnetMeasurement, record: WindowRecord)

  /// A candidate that goes on, and what was found on the windows before.
  typealias Climber = (genes: BoundSpace.Genes, earlier: Comparison?)

  /// Measures candidates together.
  ///
  /// Each is measured on the windows of the first rung; those that climb, on the further windows of the next. Without rungs
  /// values do not depend on which candidates are together.
  ///
  /// - Parameters:
  ///   - rungs: estimates from the first windows, where a candidate ends before it has seen all.
  ///   - climbers: which of some estimates go on.
  ///   - monitor: hears between half layers of the share that is done.
  /// - Returns: in the order of the candidates.
  func measure(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, monitor: Monitor, climbers: ([SubnetMeasurement]) -> [Int]
  ) throws -> [Measured] {
    let share = 1 - comparingShare
    let answers = try answers(of: candidates, .repaired, monitor.within(0...share))
    return try climb(candidates, answers: answers, rungs: rungs, climbers: climbers) { alive, windows in
      let found = try compare(alive.map(\.genes), windows: windows, monitor: monitor.within(share...1))
      return zip(alive, found.comparisons).map { $0.earlier?.joined($1) ?? $1 }
    }
  }

  /// Measures candidates together, as a study stores them: each with its share of the time, or why it failed.
  ///
  /// - Parameters:
  ///   - predict: what error curves promise of a candidate; `nil` if nothing.
  ///   - others: as `measure` takes them.
  func trials(
    _ candidates: [BoundSpace.Genes], rungs: FidelityRungs, monitor: Monitor,
    predict: (BoundSpace.Genes) -> TrialDescription.Promise = { _ in (nil, nil) },
    climbers: ([SubnetMeasurement]) -> [Int]
  ) throws -> [Result<TrialDescription, CandidateFailure>] {
    let begun = Date()
    let found = try CandidateFailure.caught(candidates, isFatal: Self.hitsEveryCandidate) {
      try measure($0, rungs: rungs, monitor: monitor, climbers: climbers)
    }
    let seconds = Date().timeIntervalSince(begun) / Double(candidates.count)
    return zip(candidates, found).map { genes, found in
      found.map { measured in
        let promise = predict(genes)
        return TrialDescription(
          measurement: measured.measurement, score: genes.score, calibration: genes.statistics, seconds: seconds,
          windows: measured.record, predicted: promise.error, predictedSum: promise.sum)
      }
    }
  }

  /// True for an error that says nothing about the candidate: a file that is gone or damaged, or a study that cannot be
  /// written.
  private static func hitsEveryCandidate(_ error: any Error) -> Bool { error is CheckpointError || error is StudyError }

  /// Lets candidates compete on growing numbers of windows.
  ///
  /// - Parameters:
  ///   - answers: what the examiner found of each; empty if there is none.
  ///   - compare: compares candidates on all windows up to the end of a range. What was found on the windows before the range is
  ///     given.
  func climb(
    _ candidates: [BoundSpace.Genes], answers: [[String: TaskQuality]] = [], rungs: FidelityRungs,
    climbers: ([SubnetMeasurement]) -> [Int],
    compare: ([Climber], Range<Int>) throws -> [Comparison]
  ) throws -> [Measured] {
    var comparisons: [Comparison?] = candidates.map { _ in nil }
    func estimates(_ places: [Int]) -> [Measured] {
      places.compactMap { place in
        comparisons[place].map { comparison in
          let record = WindowRecord(comparison)
          let quality = rungs.estimate(Quality(comparison), record)
          return (measurement(of: candidates[place], quality, answers.isEmpty ? [:] : answers[place]), record)
        }
      }
    }
    var (alive, done) = (Array(candidates.indices), 0)
    for count in rungs.isTrusted ? rungs.ladder.rungs : [rungs.windows] where !alive.isEmpty {
      let found = try compare(alive.map { (candidates[$0], comparisons[$0]) }, done..<count)
      for (place, comparison) in zip(alive, found) { comparisons[place] = comparison }
      done = count
      if count < rungs.windows { alive = climbers(estimates(alive).map(\.measurement)).map { alive[$0] } }
    }
    return estimates(Array(candidates.indices))
  }

  // MARK: - Measurements

  /// The dense model beside itself.
  var dense: SubnetMeasurement {
    SubnetMeasurement(
      EvaluatedSubnet(
        model.configuration, of: model.configuration, quality: Quality(dense: reference.perplexity),
        tasks: examiner?.dense ?? [:]), objectives: objectives)
  }

  /// - Parameter tasks: what the examiner found.
  func measurement(
    of genes: BoundSpace.Genes, _ quality: Quality, _ tasks: [String: TaskQuality] = [:]
  ) -> SubnetMeasurement {
    SubnetMeasurement(
      EvaluatedSubnet(configuration(genes), of: model.configuration, quality: quality, tasks: tasks),
      objectives: objectives)
  }
}

extension SubnetMeasurement {
  /// - Parameters:
  ///   - configuration: configuration of the subnet.
  ///   - dense: that of the dense model.
  init(_ configuration: ModelConfiguration, of dense: ModelConfiguration, _ comparison: Comparison) {
    self.init(EvaluatedSubnet(configuration, of: dense, quality: Quality(comparison)))
  }
}
