import Foundation
import Search
import Studies

/// How far the fitness of a study can be trusted when it comes from some of its windows, or from error curves alone.
public struct FidelityReport: Codable, Equatable, Sendable {
  public struct Rung: Codable, Equatable, Sendable {
    public let windows: Int
    /// Candidates that ended here, with an estimate.
    public let stopped: Int
    /// Spearman's ρ between the divergence on these windows and on all; `nil` where it is not defined.
    public let correlation: Double?
    /// Root mean square of the relative error of the corrected estimate.
    public let error: Double?
  }

  /// Candidates that were measured on all windows: the rungs are judged by them.
  public let candidates: Int
  public let rungs: [Rung]
  /// Candidates whose error curves promised something, measured on all windows.
  public let predicted: Int
  /// Spearman's ρ between that promise and the divergence on all windows.
  public let predictedCorrelation: Double?
  /// The same of the sum of the curves, if these promised more than that; `nil` otherwise.
  public let sumCorrelation: Double?

  /// - Throws: `PipelineError.noStudy`, `.damaged`, `StudyError`.
  public init(_ address: StudyAddress) throws {
    let study = try address.opened()
    let description = try StudyDescription(study)
    try self.init(
      study.trials().compactMap { try TrialDescription($0, of: study) }, windows: description.fitness.windows,
      // Without rungs, what they would be.
      count: description.settings.rungs > 1 ? description.settings.rungs : 10)
  }

  init(_ trials: [TrialDescription], windows: Int, count: Int) throws {
    var rungs = FidelityRungs(windows: windows, count: count)
    let records = trials.compactMap(\.windows)
    for record in records { rungs.learn(record) }
    let known = records.filter { $0.divergences.count == windows }
    let truth = known.map { rungs.estimate($0).divergence }
    candidates = known.count
    self.rungs = rungs.ladder.rungs.dropLast().map { count in
      let estimates = known.map { rungs.estimate($0.prefix(count)).divergence }
      // What loses next to nothing, such as the dense model, has no relative error.
      let squares = zip(estimates, truth).filter { $0.1 > 1e-6 }.map { pow($0.0 / $0.1 - 1, 2) }
      return Rung(
        windows: count, stopped: records.filter { $0.divergences.count == count }.count,
        correlation: RankCorrelation.spearman(estimates, truth),
        error: squares.isEmpty ? nil : (squares.reduce(0, +) / Double(squares.count)).squareRoot())
    }
    func pairs(_ promise: (TrialDescription) -> Double?) -> [(promise: Double, truth: Double)] {
      trials.compactMap { trial in
        guard let record = trial.windows, record.divergences.count == windows else { return nil }
        return promise(trial).map { ($0, rungs.estimate(record).divergence) }
      }
    }
    func correlation(_ pairs: [(promise: Double, truth: Double)]) -> Double? {
      RankCorrelation.spearman(pairs.map(\.promise), pairs.map(\.truth))
    }
    predicted = pairs(\.predicted).count
    predictedCorrelation = correlation(pairs(\.predicted))
    sumCorrelation = correlation(pairs(\.predictedSum))
  }
}
