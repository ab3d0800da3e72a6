import Evaluation
import Foundation
import LanguageModels
import Search

/// Everything that the terminal table, the CSV and JSON files and the HTML page say about one search.
///
/// A plain value: whoever owns the study database fills it in, and nothing in this module reads a database, a model
/// or a clock. Two equal values give byte-identical files.
public struct StudyReport: Codable, Equatable, Sendable {
  /// Version of this value's own encoding and of `front.json`; see the module's README.
  public static let currentVersion = 2

  public var version = StudyReport.currentVersion
  /// Name of the study, for example `smollm2-135m-widths`.
  public var name: String
  /// Folder of the study as a person would type it after `nas-search export`.
  public var directory: String
  /// Version of the program that made the report.
  public var toolVersion = ""
  public var model: ModelSummary
  /// Effective settings of the search, in the order in which to show them.
  public var settings: [Setting] = []
  /// Command line that resumes an unfinished study and repeats a finished one.
  public var command = ""
  /// What the importance scores and the repair were calibrated on, in words.
  public var calibration = ""
  /// What KL divergence and perplexity were measured on during the search.
  public var fitness: FitnessSummary
  /// The objectives, the most important first.
  public var objectives: [ObjectiveDescription]
  /// Further values that were measured beside the objectives.
  public var observed: [ObjectiveDescription]
  /// What `ConvergencePoint.bestValue` is, in words, for example `KL at 80 % kept`.
  public var bestValueName = ""
  /// The unpruned model measured on the same windows.
  public var dense: SubnetMeasurement
  /// Reference subnets that no search was needed for.
  public var baselines: [Baseline] = []
  /// Every evaluation, in the order of their numbers.
  public var trials: [TrialSummary] = []
  /// The Pareto front, largest subnet first.
  public var front: [FrontPoint] = []
  /// State of the search after successive evaluations, in ascending order of evaluations.
  public var convergence: [ConvergencePoint] = []
  public var evaluationsDone = 0
  public var budget = SearchBudget()
  /// Seconds spent searching, all sessions of a resumed study together.
  public var searchSeconds = 0.0
  /// How much each gene of the search alone moved the first objective, the largest share first; empty where there are too
  /// few evaluations.
  public var importance: [GeneShare] = []
  /// Exports of the study, and the dense model, as they were measured behind the search; the largest first.
  public var files: [MeasuredFile] = []
  /// How their speed was measured, if it was.
  public var speed: SpeedConditions?
  /// Further remarks on how the numbers came about, one sentence each.
  public var notes: [String] = []
  public var startedAt: Date?
  /// Absent while the study has budget left.
  public var finishedAt: Date?

  public init(
    name: String, directory: String, model: ModelSummary, fitness: FitnessSummary, objectives: [ObjectiveDescription],
    observed: [ObjectiveDescription], dense: SubnetMeasurement
  ) {
    (self.name, self.directory, self.model, self.fitness) = (name, directory, model, fitness)
    (self.objectives, self.observed, self.dense) = (objectives, observed, dense)
  }

  /// What tables show of every subnet beside share kept and parameters: the objectives, then what else was compared with
  /// the dense model.
  public var columns: [ObjectiveDescription] {
    let shown = objectives + observed.filter { !$0.isSize || $0.style == .time }
    return shown.enumerated().filter { place, objective in
      objective.name != BlockParameters().name && !shown[..<place].contains { $0.name == objective.name }
    }.map(\.element)
  }

  /// What charts draw over the size: the first objective that the widths alone do not decide.
  public var quality: ObjectiveDescription? {
    objectives.first { !$0.isSize } ?? columns.first { !$0.isSize } ?? columns.first
  }

  /// Perplexity of a subnet as a multiple of the dense model's, on the same windows; nil where either is unknown.
  public func ratioToDense(_ measurement: SubnetMeasurement) -> Double? {
    guard let own = measurement[.perplexity], let dense = dense[.perplexity], dense > 0 else { return nil }
    return own / dense
  }

  /// The recommended point: the one marked best, else the knee, else the largest.
  public var recommended: FrontPoint? {
    front.first(where: \.isBest) ?? front.first(where: \.isKnee) ?? front.first
  }

  /// The baseline of nearly the same size as a point: at most 2 % of the block parameters away, the nearest first.
  public func baseline(near point: FrontPoint) -> Baseline? {
    func distance(_ baseline: Baseline) -> Double {
      abs(baseline.measurement.keepRatio - point.measurement.keepRatio)
    }
    return baselines.filter { distance($0) <= 0.02 }.min { distance($0) < distance($1) }
  }
}
