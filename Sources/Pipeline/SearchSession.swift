import Calibration
import Checkpoints
import Foundation
import LanguageModels
import Reformation
import Reports
import Search
import Studies
import Subnets

/// One search, from the model on disk to the study on disk.
public final class SearchSession {
  /// What happens while a session is prepared and runs, for whoever shows it.
  public enum Event {
    /// A step of the preparation: done out of total.
    case preparing(String, done: Int, total: Int)
    /// Candidates that were evaluated in earlier runs.
    case resumed(evaluations: Int)
    /// The progress changed; a new generation began if `generation` is not `nil`.
    case progress(SearchProgress, generation: Int?, front: Int)
  }

  public let directory: URL
  public let study: Study
  private let settings: SearchSettings
  private let evaluator: CandidateEvaluator
  private var runner: StudyRunner<NSGA2>
  private let convergence: Convergence

  /// Opens or creates the study, reads or samples the calibration, gathers statistics and measures the baselines.
  ///
  /// - Parameters:
  ///   - cache: folder for statistics.
  ///   - isStopped: asked between steps; the preparation then ends with `CancellationError`.
  public init(
    _ settings: SearchSettings, directory: URL, cache: URL, toolVersion: String, isStopped: () -> Bool,
    report: @escaping (Event) -> Void
  ) throws {
    self.settings = settings
    self.directory = directory
    let model = try LanguageModel(URL(fileURLWithPath: settings.model))
    let fingerprint = try model.fingerprint()
    let identity = ModelIdentity(name: Self.name(of: model), fingerprint: fingerprint)
    let space = try SearchSpace(yaml: settings.spaceText, file: settings.space)
    // Before anything slow: whatever can be wrong with the request.
    let names = settings.calibration.map { CalibrationSource($0, field: settings.field).name }
    let bound = try BoundSpace(space, to: model.configuration, calibrationSets: names)
    let budgeted = try Self.budgeted(bound, settings)
    let isNew = !Study.exists(at: directory)
    if !isNew { try Self.checkSettings(settings, directory) }
    let known = isNew ? nil : try Study.open(at: directory, model: identity, space: bound.design)

    try FileManager.default.createFolder(at: directory)
    let calibration: CalibrationFile
    if let stored = try? CalibrationFile(directory: directory), stored.model == fingerprint, !isNew {
      calibration = stored
    } else {
      calibration = try CalibrationFile(settings, model: model, fingerprint: fingerprint) { source, done, total in
        report(.preparing("sampling calibration text from the model", done: done, total: total))
      }
      try calibration.write(to: directory)
    }
    let statistics = try Self.statistics(model, fingerprint, calibration, cache, bound, isStopped, report)
    report(.preparing("dense reference", done: 0, total: 1))
    evaluator = try CandidateEvaluator(
      model: model, bound: bound, statistics: statistics, fitness: calibration.fitness, settings: settings)
    let population = FirstPopulation(evaluator: evaluator, statistics: statistics)
    let budgets = Self.budgets(budgeted, settings)
    let initial = try population.genomes(budgets: budgets, limit: settings.population)
    var evolution = NSGA2.Settings()
    evolution.population = settings.population
    let optimizer = try NSGA2(
      budgeted, objectives: settings.objectives.count, seed: settings.seed, initial: initial, settings: evolution)
    if let known {
      study = known
    } else {
      let baselines = try Self.baselines(evaluator, population, budgets, isStopped, report)
      let description = StudyDescription(
        settings: settings, model: ModelSummary(identity, model.configuration), dense: evaluator.dense,
        baselines: baselines, calibration: Self.describe(calibration),
        fitness: FitnessSummary(
          source: names.joined(separator: ", "), windows: calibration.fitness.count,
          windowLength: calibration.fitness.length, tokens: calibration.fitness.tokens.count),
        targetParameters: Self.targetParameters(settings, model.configuration),
        keep: [space.keep.lowerBound, space.keep.upperBound],
        toolVersion: toolVersion)
      try AtomicFile.write(settings.json(), to: directory.appendingPathComponent(StudyDescription.configurationFile))
      study = try Study.create(
        at: directory, name: directory.lastPathComponent,
        directions: settings.objectives.map { _ in .minimize }, metricNames: settings.objectives, model: identity,
        space: bound.design, attributes: description.attributes())
    }
    runner = try StudyRunner(study, optimizer)
    convergence = Convergence(description: try StudyDescription(study))
    if runner.evaluations > 0 { report(.resumed(evaluations: runner.evaluations)) }
  }

  /// Evaluates candidates until the budget is spent, the space is exhausted, or `isStopped` says so.
  ///
  /// - Returns: whether the search is complete, as far as the budget goes.
  public func run(_ budget: SearchBudget, isStopped: () -> Bool, report: (Event) -> Void) throws -> Bool {
    let start = Date()
    let before = runner.evaluations
    var generation = -1
    while true {
      let elapsed = Date().timeIntervalSince(start)
      if let limit = budget.evaluations, runner.evaluations >= limit { break }
      if let seconds = budget.seconds, elapsed >= seconds { break }
      if isStopped() { return false }
      guard let candidate = try runner.next(limit: 1).first else { break }
      let begun = Date()
      let genes = evaluator.bound.genes(candidate.genome)
      let measured = try evaluator.measure(genes)
      try runner.complete(
        candidate, values: objectives(measured),
        attributes: TrialDescription(measured, genes, seconds: Date().timeIntervalSince(begun)).attributes())
      let done = runner.evaluations
      let value = convergence.state(of: runner.optimizer.evaluated)
      let now = Date().timeIntervalSince(start)
      let next = runner.optimizer.generation
      report(
        .progress(
          SearchProgress(
            evaluationsDone: done, budget: budget, elapsedSeconds: now,
            secondsPerEvaluation: now / Double(max(1, done - before)), valueName: "KL", bestValue: value.best,
            hypervolume: value.hypervolume),
          generation: next == generation ? nil : next, front: runner.optimizer.front.count))
      generation = next
    }
    return true
  }

  public func close() throws { try study.close() }

  private func objectives(_ measured: PointMeasurement) -> [Double] {
    settings.objectives.map { name in
      switch name {
      case "perplexity": measured.perplexity ?? .infinity
      case "params": Double(measured.parametersBlock)
      default: measured.kl
      }
    }
  }
}

extension SearchSession {
  private static func name(of model: LanguageModel) -> String {
    model.isGGUF ? model.location.deletingPathExtension().lastPathComponent : model.location.lastPathComponent
  }

  private static func checkSettings(_ settings: SearchSettings, _ directory: URL) throws {
    let stored = try StudyDescription.settings(directory)
    if let difference = stored.difference(from: settings) {
      throw PipelineError.settingsDiffer(study: directory.path, difference: difference)
    }
  }

  /// Most block parameters that the target allows; `nil` without a target.
  static func targetParameters(_ settings: SearchSettings, _ configuration: ModelConfiguration) -> Int? {
    switch settings.target {
    case nil: nil
    case .keep(let share): Int((share * Double(configuration.blockParameters)).rounded(.down))
    case .parameters(let count): count - configuration.outerParameters
    case .memory(let bytes): bytes / 2 - configuration.outerParameters
    }
  }

  private static func budgeted(_ bound: BoundSpace, _ settings: SearchSettings) throws -> BudgetedSpace {
    let dense = bound.configuration.blockParameters
    let reachable = bound.cost.cost(bound.design.lowest)...bound.cost.cost(bound.design.highest)
    if let target = targetParameters(settings, bound.configuration) {
      guard target >= reachable.lowerBound else {
        let wanted = settings.target.map { "\($0)" } ?? ""
        throw PipelineError.impossibleTarget(
          target: "\(wanted) (\(target) block parameters)", smallest: "\(reachable.lowerBound)",
          largest: "\(reachable.upperBound)")
      }
      return try BudgetedSpace(
        bound.design, cost: bound.cost, budget: Budget(maximum: target, useWholeBudget: true))
    }
    let keep = bound.space.keep
    return try BudgetedSpace(
      bound.design, cost: bound.cost,
      budget: Budget(
        maximum: Int(keep.upperBound * Double(dense)),
        minimum: max(reachable.lowerBound, Int(keep.lowerBound * Double(dense)))))
  }

  /// Sizes that the first population aims at, the largest first.
  private static func budgets(_ budgeted: BudgetedSpace, _ settings: SearchSettings) -> [Int] {
    let (low, high) = (budgeted.allowed.lowerBound, budgeted.allowed.upperBound)
    if settings.target != nil { return [high] }
    let steps = 6
    return (1...steps).map { high - (high - low) * $0 / steps }
  }

  static func statistics(
    _ model: LanguageModel, _ fingerprint: String, _ calibration: CalibrationFile, _ cache: URL, _ bound: BoundSpace,
    _ isStopped: () -> Bool, _ report: @escaping (Event) -> Void
  ) throws -> [any Statistics] {
    let store = StatisticsStore(folder: cache)
    var all: [any Statistics] = []
    for set in calibration.sets {
      if isStopped() { throw CancellationError() }
      let total = model.configuration.layerCount
      all.append(
        try store.statistics(
          name: set.name, of: model, fingerprint: fingerprint, windows: set.windows.calibration
        ) { report(.preparing("statistics of '\(set.name)'", done: $0 + 1, total: total)) })
    }
    if bound.calibrations.contains(BoundSpace.mix) { all.append(MixedStatistics(name: BoundSpace.mix, all)) }
    return all
  }

  /// Uniform Wanda-SP without repair at a few sizes: the better of the two roundings of the KV groups.
  private static func baselines(
    _ evaluator: CandidateEvaluator, _ population: FirstPopulation, _ budgets: [Int], _ isStopped: () -> Bool,
    _ report: @escaping (Event) -> Void
  ) throws -> [Baseline] {
    let sizes = budgets.count == 1 ? budgets : [budgets[1], budgets[3]]
    var baselines: [Baseline] = []
    for (place, size) in sizes.enumerated() {
      for repairing in [false, true] {
        report(.preparing("uniform baselines", done: 2 * place + (repairing ? 1 : 0), total: 2 * sizes.count))
        var best: Baseline?
        for widths in population.uniform(budget: size) {
          if isStopped() { throw CancellationError() }
          let genes = BoundSpace.Genes(
            widths: widths, score: "wanda-sp", calibration: evaluator.bound.calibrations[0])
          let measured = try evaluator.measure(genes, repairing: repairing)
          if best.map({ measured.kl < $0.measurement.kl }) ?? true {
            best = Baseline(
              label: repairing ? "uniform, repaired" : "uniform, no repair", measurement: measured, score: genes.score,
              calibration: genes.calibration, widths: genes.widths.map(Reports.LayerWidths.init))
          }
        }
        if let best { baselines.append(best) }
      }
    }
    return baselines
  }

  private static func describe(_ calibration: CalibrationFile) -> String {
    calibration.sets.map { set in
      let windows = set.windows.calibration
      return "\(set.name): \(windows.count) windows of \(windows.length) tokens"
    }.joined(separator: "; ")
  }
}

extension FileManager {
  /// Creates a folder and those above it; a typed error where that cannot be done.
  func createFolder(at url: URL) throws {
    do {
      try createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw CheckpointError.unwritable(path: url.path, reason: error.localizedDescription)
    }
  }
}
