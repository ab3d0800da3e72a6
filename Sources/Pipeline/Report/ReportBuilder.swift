import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Reports
import Search
import Studies
import Subnets
import Workbench

/// Makes the report of a study from what it holds alone.
public enum ReportBuilder {
  /// - Parameters:
  ///   - text: address of the study as the user gives it, for the commands that the report prints; they leave a password out.
  ///   - evidence: documents of what was measured of its exports (`Evidence`).
  ///   - notes: sentences for the end of the report, from what is known of the study; the fidelity is that of its rungs.
  public static func report(
    _ text: String, evidence: [String] = [],
    notes: (_ fidelity: FidelityReport?, StudyDescription) -> [String] = { _, _ in [] }
  ) throws -> StudyReport {
    let address = try StudyAddress(text)
    let directory = address.folder == nil ? "\(address)" : text
    let study = try address.opened()
    let description = try StudyDescription(study)
    let trials = try study.trials()
    let points = try FrontPoints(study: study, description: description, trials: trials)
    let settings = description.settings
    let summaries = try trials.map { try summary($0, of: study, points) }
    let times = trials.compactMap(\.ended)
    let fidelity =
      settings.rungs == 1
      ? nil
      : try FidelityReport(
        trials.compactMap { try TrialDescription($0, of: study) }, windows: description.fitness.windows,
        count: settings.rungs)
    var report = StudyReport(
      name: study.name, directory: directory, model: description.model, fitness: description.fitness,
      objectives: description.objectives.all.map(\.description),
      observed: ObjectiveRegistry.measured(with: try settings.foretold(), tasks: settings.developmentTasks)
        .map(\.description) + [CacheBytes.description],
      dense: description.dense)
    report.toolVersion = description.toolVersion
    report.settings = rows(description)
    report.command = command(settings, directory, budget: description.budget)
    report.calibration = description.calibration
    report.bestValueName = bestValueName(description)
    report.baselines = description.baselines
    report.trials = summaries
    report.front = points.front
    countCaches(in: &report)
    if !evidence.isEmpty {
      let widths = trials.filter { $0.state == .complete }.map { trial in
        (trial.number, study.space.genes(of: trial, layers: points.model.layers).widths)
      }
      var found = Evidence(
        study: study.name, model: description.model, widths: Dictionary(widths) { first, _ in first })
      try found.read(evidence)
      (report.files, report.speed) = (found.files, found.conditions)
    }
    report.convergence = try convergence(trials, of: study, description)
    report.evaluationsDone = trials.count { $0.state == .complete || $0.state == .failed }
    report.budget = description.budget ?? SearchBudget()
    report.searchSeconds = summaries.reduce(0) { $0 + ($1.seconds ?? 0) }
    report.importance = importance(of: study, trials)
    report.notes = notes(fidelity, description)
    report.startedAt = trials.compactMap(\.started).min()
    report.finishedAt = description.isComplete ? times.max() : nil
    return report
  }

  /// The command that repeats or resumes the study.
  ///
  /// - Parameters:
  ///   - directory: of the study.
  ///   - cache: folder for statistics, where it is not the usual one.
  public static func command(
    _ settings: SearchSettings, _ directory: String, budget: SearchBudget?, cache: String? = nil
  ) -> String {
    var words = ["nas-search"] + settings.words + ["--budget", text(budget), "--study", directory]
    if let cache { words += ["--cache", cache] }
    return words.map(ShellWord.quoted).joined(separator: " ")
  }

  /// A budget as the command line takes it.
  private static func text(_ budget: SearchBudget?) -> String {
    let evaluations = budget?.evaluations.map { "\($0)" }
    let seconds = budget?.seconds.map { "\($0 == $0.rounded() && $0 < 1e9 ? "\(Int($0))" : "\($0)")s" }
    let parts = [evaluations, seconds].compactMap { $0 }
    return parts.isEmpty ? "200" : parts.joined(separator: ",")
  }

  /// Adds the bytes of caches, which the widths tell.
  private static func countCaches(in report: inout StudyReport) {
    let model = report.model
    let full = LayerWidths(groups: model.kvGroupsPerLayer, channels: model.mlpChannels)
    report.dense = withCache(report.dense, Array(repeating: full, count: model.layers), model)
    for (place, baseline) in report.baselines.enumerated() {
      report.baselines[place].measurement = withCache(baseline.measurement, baseline.widths, model)
    }
    for (place, point) in report.front.enumerated() {
      report.front[place].measurement = withCache(point.measurement, point.widths, model)
    }
  }

  private static func withCache(
    _ measurement: SubnetMeasurement, _ widths: [LayerWidths], _ model: ModelSummary
  ) -> SubnetMeasurement {
    var measurement = measurement
    measurement.values[CacheBytes.description.name] = CacheBytes.value(widths, of: model)
    return measurement
  }

  private static func summary(_ trial: StoredTrial, of study: Study, _ points: FrontPoints) throws -> TrialSummary {
    let description = try TrialDescription(trial, of: study)
    let genes = study.space.genes(of: trial, layers: points.model.layers)
    let state: TrialSummary.State =
      switch trial.state {
      case .complete: .complete
      case .failed: .failed
      case .pruned: .pruned
      case .running, .waiting: .running
      }
    let block = description?.measurement.parametersBlock ?? 0
    var summary = TrialSummary(
      number: trial.number, origin: trial.origin, state: state,
      keepRatio: Double(block) / Double(points.model.parametersBlock),
      parametersTotal: block + points.model.parametersTotal - points.model.parametersBlock, parametersBlock: block)
    if let measurement = description?.measurement {
      summary.values = withCache(measurement, genes.widths, points.model).values
    }
    summary.score = genes.score
    summary.calibration = genes.calibration
    summary.seconds = description?.seconds
    summary.failure = trial.failure
    return summary
  }

  /// Which genes moved the first objective alone, the largest share first.
  private static func importance(of study: Study, _ trials: [StoredTrial]) -> [GeneShare] {
    let complete = trials.filter { $0.state == .complete }
    let shares = GeneImportance.shares(
      study.space, genomes: complete.map(\.genome), values: complete.compactMap(\.values.first))
    return zip(study.space.variables, shares ?? []).map { GeneShare($0.name, $1) }.sorted { $0.share > $1.share }
  }

  private static func convergence(
    _ trials: [StoredTrial], of study: Study, _ description: StudyDescription
  ) throws -> [ConvergencePoint] {
    var progress = Convergence(description: description)
    var seconds = 0.0
    return try trials.filter { $0.state == .complete }.enumerated().map { number, trial in
      let parameters = try TrialDescription(trial, of: study)?.measurement.parametersBlock
      progress.learn(study.minimized(trial.values), parameters: parameters ?? .max)
      if let started = trial.started, let ended = trial.ended { seconds += ended.timeIntervalSince(started) }
      return ConvergencePoint(
        evaluations: number + 1, seconds: seconds, bestValue: progress.bestValue, hypervolume: progress.hypervolume)
    }
  }

  private static func bestValueName(_ description: StudyDescription) -> String {
    if let share = description.settings.latencyShare {
      return "\(description.objectives.first.title) at \(Int((share * 100).rounded())) % of the time"
    }
    let share = Double(description.bestParameters) / Double(description.model.parametersBlock) * 100
    return "\(description.objectives.first.title) at \(Int(share.rounded())) % kept"
  }

  private static func rows(_ description: StudyDescription) -> [Setting] {
    let chosen = description.settings.damping == nil ? ", chosen by held-out error" : ""
    let settings = description.settings.named.map { setting in
      switch setting.option {
      case "damping": Setting("damping", "\(description.damping) of the mean diagonal\(chosen)")
      case "optimizer": Setting("optimizer", description.optimizer.description)
      default: Setting(setting.name, setting.text)
      }
    }
    return [Setting("model", description.settings.model)] + settings
  }
}
