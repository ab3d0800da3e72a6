import Checkpoints
import Foundation
import Reports
import Search
import Studies
import Subnets
import Workbench

/// Makes the report of a study from what it holds alone.
public enum ReportBuilder {
  /// - Parameter text: the study's address as the user gives it, for the commands that the report prints; they leave a
  ///   password out.
  public static func report(_ text: String) throws -> StudyReport {
    let address = try StudyAddress(text)
    let directory = address.folder == nil ? "\(address)" : text
    let study = try address.opened()
    let description = try StudyDescription(study)
    let trials = try study.trials()
    let points = try FrontPoints(study: study, description: description, trials: trials)
    let settings = description.settings
    let summaries = try trials.map { try summary($0, of: study, points) }
    let times = trials.compactMap(\.ended)
    return StudyReport(
      name: study.name, directory: directory, toolVersion: description.toolVersion, model: description.model,
      settings: rows(description), command: command(settings, directory, budget: description.budget),
      calibration: description.calibration,
      fitness: description.fitness, objectives: settings.objectives, bestValueName: bestValueName(description),
      dense: description.dense, baselines: description.baselines, trials: summaries, front: points.front,
      convergence: convergence(trials, description),
      evaluationsDone: trials.filter { $0.state == .complete || $0.state == .failed }.count,
      budget: description.budget ?? SearchBudget(), searchSeconds: summaries.reduce(0) { $0 + ($1.seconds ?? 0) },
      importance: importance(of: study, trials),
      notes: (settings.rungs == nil
        ? []
        : try FidelityReport(
          trials.compactMap { try TrialDescription($0, of: study) }, windows: description.fitness.windows,
          count: settings.rungs ?? 1
        ).sentences) + cost(description),
      startedAt: trials.compactMap(\.started).min(), finishedAt: description.isComplete ? times.max() : nil)
  }

  /// What the search took, in words.
  private static func cost(_ description: StudyDescription) -> [String] {
    let preparation = description.work.map { "The preparation \($0.text)." }
    let peak = description.peak.map { "The process took \(amount($0)) of memory at most." }
    return [preparation, peak].compactMap { $0 }
  }

  /// The command that repeats or resumes the study.
  ///
  /// - Parameters:
  ///   - directory: of the study.
  ///   - cache: folder for statistics, where it is not the usual one.
  public static func command(
    _ settings: SearchSettings, _ directory: String, budget: SearchBudget?, cache: String? = nil
  ) -> String {
    var words = ["nas-search", "--model", settings.model, "--budget", text(budget)]
    switch settings.target {
    case nil: break
    case .keep(let share): words += ["--keep", "\(share)"]
    case .parameters(let count): words += ["--params", "\(count)"]
    case .memory(let bytes): words += ["--memory", "\(bytes)"]
    }
    if let aim = settings.aim { words += ["--aim", "\(aim)"] }
    words += ["--space", settings.space, "--study", directory, "--seed", "\(settings.seed)"]
    if let scores = settings.scores { words += ["--scores", scores.joined(separator: ",")] }
    for source in settings.calibration where settings.calibration != ["self"] { words += ["--calibration", source] }
    words += ["--calibration-windows", "\(settings.calibrationWindows)"]
    words += ["--calibration-length", "\(settings.calibrationLength)"]
    words += ["--fitness-windows", "\(settings.fitnessWindows)", "--fitness-length", "\(settings.fitnessLength)"]
    if let windows = settings.gradientWindows { words += ["--gradient-windows", "\(windows)"] }
    words += settings.filter?.options ?? []
    if let subsets = settings.subsets { words += ["--calibration-subsets", "\(subsets)"] }
    if settings.field != "text" { words += ["--field", settings.field] }
    if let damping = settings.damping { words += ["--damping", "\(damping)"] }
    words += ["--population", "\(settings.population)"]
    if settings.metric != .loss { words += ["--curves", settings.metric.rawValue] }
    let optimizer = settings.optimizer ?? SearchOptimizer.evolution.rawValue
    if optimizer != SearchOptimizer.automatic.rawValue { words += ["--optimizer", optimizer] }
    if let rungs = settings.rungs { words += ["--rungs", "\(rungs)"] }
    if let precision = settings.precision { words += ["--precision", precision] }
    if settings.repair != "ls" { words += ["--repair", settings.repair] }
    if settings.objectives != ["kl", "params"] {
      words += ["--objectives", settings.objectives.joined(separator: ",")]
    }
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

  private static func summary(_ trial: StoredTrial, of study: Study, _ points: FrontPoints) throws -> TrialSummary {
    let description = try TrialDescription(trial, of: study)
    let genes = points.genes(trial)
    let state: TrialSummary.State =
      switch trial.state {
      case .complete: .complete
      case .failed: .failed
      case .pruned: .pruned
      case .running, .waiting: .running
      }
    let block = description?.measurement.parametersBlock ?? 0
    return TrialSummary(
      number: trial.number, origin: trial.origin, state: state,
      keepRatio: Double(block) / Double(points.model.parametersBlock),
      parametersTotal: block + points.model.parametersTotal - points.model.parametersBlock, parametersBlock: block,
      kl: description?.measurement.kl, perplexity: description?.measurement.perplexity, score: genes.score,
      calibration: genes.calibration, seconds: description?.seconds)
  }

  /// Which genes moved the first objective alone, the largest share first.
  private static func importance(of study: Study, _ trials: [StoredTrial]) -> [GeneShare] {
    let complete = trials.filter { $0.state == .complete }
    let shares = GeneImportance.shares(
      study.space, genomes: complete.map(\.genome), values: complete.compactMap(\.values.first))
    return zip(study.space.variables, shares ?? []).map { GeneShare($0.name, $1) }.sorted { $0.share > $1.share }
  }

  private static func convergence(_ trials: [StoredTrial], _ description: StudyDescription) -> [ConvergencePoint] {
    let measure = Convergence(description: description)
    // What is dominated changes neither the best value nor the hypervolume.
    var front: [[Double]] = []
    var seconds = 0.0
    return trials.filter { $0.state == .complete }.enumerated().map { number, trial in
      let points = front + [trial.values]
      front = ParetoFront.nonDominated(points).map { points[$0] }
      if let started = trial.started, let ended = trial.ended { seconds += ended.timeIntervalSince(started) }
      let state = measure.state(of: front)
      return ConvergencePoint(
        evaluations: number + 1, seconds: seconds, bestValue: state.best, hypervolume: state.hypervolume)
    }
  }

  private static func bestValueName(_ description: StudyDescription) -> String {
    let share = Double(description.bestParameters) / Double(description.model.parametersBlock) * 100
    let quality = description.settings.objectives.first == "perplexity" ? "perplexity" : "KL"
    return "\(quality) at \(Int(share.rounded())) % kept"
  }

  private static func rows(_ description: StudyDescription) -> [Setting] {
    let settings = description.settings
    let chosen = settings.damping == nil ? ", chosen by held-out error" : ""
    let target =
      switch settings.target {
      case nil: "none: the whole range of the space"
      case .keep(let share): "at most \(share) of the block parameters"
      case .parameters(let count): "at most \(count) parameters"
      case .memory(let bytes): "at most \(bytes) bytes at two bytes a parameter"
      }
    return [
      Setting("model", settings.model),
      Setting("space", settings.space + (settings.scores.map { " with \($0.joined(separator: ", "))" } ?? "")),
      Setting("target", target),
      Setting("objectives", settings.objectives.joined(separator: ", ")),
      Setting("optimizer", description.optimizer.description),
      Setting("calibration", settings.calibration.joined(separator: ", ")),
      Setting("calibration windows", "\(settings.calibrationWindows) of \(settings.calibrationLength) tokens each set"),
      Setting("fitness windows", "\(settings.fitnessWindows) of \(settings.fitnessLength) tokens"),
    ]
      + (settings.gradientWindows.map { [Setting("gradient windows", "\($0)")] } ?? [])
      + (settings.rungs.map { [Setting("rungs", "\($0) of growing numbers of fitness windows")] } ?? [])
      + (settings.precision.map { [Setting("precision of evaluations", $0)] } ?? []) + [
        Setting("repair", settings.repair == "ls" ? "exact least squares" : "none"),
        Setting("damping", "\(description.damping) of the mean diagonal\(chosen)"),
        Setting("population", "\(settings.population)"), Setting("seed", "\(settings.seed)"),
      ]
  }
}
