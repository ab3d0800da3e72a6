import Checkpoints
import Evaluation
import Foundation
import Importance
import LanguageModels
import Runtime
import Search
import Studies
import Subnets
import Workbench

/// A search with all that it names: whatever can be wrong with it shows here, before anything slow.
struct SearchGround {
  /// With the number of rounds, where there can be several, and with what the files of tasks hold.
  let settings: SearchSettings
  /// The items of the tasks; `nil` if no objective is one.
  let development: DevelopmentFile?
  let address: StudyAddress
  /// Of the study.
  let name: String
  let model: LanguageModel
  let identity: ModelIdentity
  let bound: BoundSpace
  /// The space with the budget that the settings set.
  let budgeted: BudgetedSpace

  init(_ request: SearchRequest, in context: JobContext) throws {
    var settings = request.settings
    address = try StudyAddress(request.study)
    guard let name = address.newName else {
      throw PipelineError.invalidOption("a study on a server needs a name: \(address)#NAME")
    }
    self.name = name
    model = try LanguageModel(
      URL(fileURLWithPath: settings.model), engine: settings.engine.engine, memory: context.memory)
    identity = ModelIdentity(name: model.name, fingerprint: try model.fingerprint())
    _ = try settings.evaluationPrecision()
    bound = try BoundSpace(
      settings.searchSpace(), to: model.configuration, calibrationSets: try settings.plan.setNames())
    budgeted = try Self.budgeted(bound, settings, model)
    if settings.rounds == nil, let size = budgeted.size(bound), ChoiceCurves.exist(bound, settings.repair) {
      settings.rounds = Workbench.rounds(to: size, of: model.configuration)
    }
    let read = try settings.tasks?.read(settings.taskNames, seed: settings.plan.seed, model: model)
    settings.tasks = read?.plan
    (self.settings, development) = (settings, read?.file)
  }

  /// The space with a limit of time, which every candidate spends.
  ///
  /// - Throws: `PipelineError.impossibleTarget` if the narrowest widths take longer.
  private static func budgeted(_ bound: BoundSpace, _ latency: Latency, share: Double) throws -> BudgetedSpace {
    let cost = latency.steppedCost(in: bound)
    let dense = latency.nanoseconds(of: bound.configuration)
    let (low, limit) = (cost.cost(bound.design.lowest), Int((share * Double(dense)).rounded(.down)))
    guard limit >= low else {
      throw PipelineError.impossibleTime(share: "\(share)", smallest: "\(Double(low) / Double(dense))")
    }
    return try BudgetedSpace(bound.design, cost: cost, budget: Budget(maximum: limit, useWholeBudget: true))
  }

  static func budgeted(
    _ bound: BoundSpace, _ settings: SearchSettings, _ model: LanguageModel
  ) throws -> BudgetedSpace {
    if let latency = try settings.foretold() {
      try latency.check(bound)
      if let share = settings.latencyShare { return try budgeted(bound, latency, share: share) }
    }
    let dense = bound.configuration.blockParameters
    let reachable = bound.cost.cost(bound.design.lowest)...bound.cost.cost(bound.design.highest)
    if let target = try settings.blockParameters(of: model) {
      guard target >= reachable.lowerBound else {
        let meaning = target < 0 ? "less than embedding and head take" : "\(target) block parameters"
        throw PipelineError.impossibleTarget(
          target: "\(settings.target?.named.words.joined(separator: " ") ?? "") (\(meaning))",
          smallest: "\(reachable.lowerBound)", largest: "\(reachable.upperBound)")
      }
      return try BudgetedSpace(
        bound.design, cost: bound.cost, budget: Budget(maximum: target, useWholeBudget: true))
    }
    let keep = bound.space.keep
    if let aim = settings.aim, !keep.contains(aim) {
      throw PipelineError.invalidOption(
        "--aim \(aim) is outside the shares that the space '\(bound.space.name)' spans, "
          + "\(keep.lowerBound) to \(keep.upperBound)")
    }
    guard Int(keep.upperBound * Double(dense)) >= reachable.lowerBound else {
      throw PipelineError.impossibleTarget(
        target: "its key 'keep' (at most \(Int(keep.upperBound * Double(dense))) block parameters)",
        smallest: "\(reachable.lowerBound)", largest: "\(reachable.upperBound)")
    }
    return try BudgetedSpace(
      bound.design, cost: bound.cost,
      budget: Budget(
        maximum: Int(keep.upperBound * Double(dense)),
        minimum: max(reachable.lowerBound, Int(keep.lowerBound * Double(dense)))))
  }

  /// The study, opened to go on with it; `nil` where there is none yet.
  ///
  /// - Throws: `StudyError.otherModel`, `PipelineError.settingsDiffer`, and what is wrong with the database.
  func stored() throws -> Study? {
    guard try address.exists() else { return nil }
    let study = try address.open(access: .resume, model: identity)
    // Compared before the space is, because they say in the user's words what is different.
    if let difference = try StudyDescription(study).settings.difference(to: settings) {
      throw PipelineError.settingsDiffer(study: "\(address)", difference: difference)
    }
    try study.check(bound.design)
    return study
  }

  /// Holds the place of a new study, after it has shown that it takes one.
  func place() throws -> StudyPlace {
    if let folder = address.folder {
      if FileManager.default.fileExists(atPath: folder.path) {
        try Destination(folder.appendingPathComponent(Study.fileName), .file).keepApart(from: model.location)
      }
      // A lock tells of a search that was killed before its study was whole.
      for name in [CalibrationFile.name, StudyDescription.configurationFile]
      where FileManager.default.fileExists(atPath: folder.appendingPathComponent(name).path)
        && !FileManager.default.fileExists(atPath: folder.appendingPathComponent(StudyPlace.lockName).path)
      {
        throw PipelineError.damaged(
          path: folder.appendingPathComponent(name).path,
          problem: "there is a file of this name, but no study; choose another --study")
      }
    }
    return try StudyPlace(
      at: address.location, name: name, attributes: ["settings": try JSONText.encode(settings)])
  }

  /// What the preparation will take, and the memory of the search.
  func estimate(_ budget: SearchBudget, _ memory: MemoryPlan) throws -> WorkEstimate {
    let (plan, sets) = (settings.plan, try settings.plan.setNames())
    let samples = bound.space.samples.isEmpty ? [plan.calibrationWindows] : bound.space.samples
    let scores = try bound.space.allScores.map(ImportanceRegistry.named)
    for score in scores { try score.check(bound.configuration) }
    let repairs = settings.repair == .nested
    let hasCurves = ChoiceCurves.exist(bound, settings.repair)
    let scalars = (hasCurves ? settings.curveMetric.gradients : []).union(scores.compactMap(\.gradients))
    var curves = hasCurves ? Double(scores.count * bound.calibrations.count) : 0
    // A search that ends among the seeds of one choice makes the others' curves of a few layers only: of each size one seed, and
    // most often two uniform ones.
    let seeds = min(
      settings.population,
      (!settings.hasOneSize ? CandidateSearch.sizeCount : 1) * (bound.configuration.isUniform ? 2 : 1))
    if curves > 0, let evaluations = budget.evaluations, evaluations <= seeds {
      let share = Double(ChoiceCurves.contestLayers) / Double(bound.configuration.layerCount)
      curves = min(curves, 1 + Double(scores.count - 1) * share)
    }
    // The choice that gets all curves is taken to be one that eliminates.
    let eliminating = scores.count { $0 is LossOBS }
    let eliminations =
      eliminating == 0 ? 0 : min(curves, max(1, curves * Double(eliminating) / Double(scores.count)))
    var work = WorkEstimate.Work(bound.configuration)
    work.sampledTokens = try plan.sampledTokens()
    work.precision = try settings.evaluationPrecision()
    work.calibrationTokens = samples.flatMap { count in sets.map { _ in count * plan.calibrationLength } }
    work.gradients = scalars.flatMap { scalar in bound.calibrations.map { _ in (scalar, plan.gradientTokens) } }
    work.recordsResiduals = true
    if settings.searchPlan(work.precision).correlatesErrors(bound) { work.correlatedTokens = plan.gradientTokens }
    work.fitnessTokens = plan.fitnessWindows * plan.fitnessLength
    work.curves = curves
    work.eliminations = eliminations
    work.subnets = (settings.rounds ?? 1) - 1
    work.choosesDamping = repairs && settings.damping == nil
    work.baselines = !settings.hasOneSize ? 2 : 1
    work.evaluations = budget.evaluations ?? .max
    if let development {
      (work.taskTokens, work.scoredTokens) = development.tokens(for: bound.configuration)
    }
    return WorkEstimate(work, speed: try .measured(), memory: memory)
  }
}

extension BudgetedSpace {
  /// The block parameters of all candidates, if they have one size.
  ///
  /// - Parameter bound: the space; times say nothing of sizes.
  func size(_ bound: BoundSpace) -> Int? {
    budget.useWholeBudget && (cost as? LinearCost) == bound.cost ? allowed.upperBound : nil
  }
}

extension CandidateSearch {
  /// Uniform Wanda-SP at a few sizes, without and with repair: the better of the two roundings of the KV groups.
  ///
  /// All sizes go through the layers together, so that what they share, such as the factors of a layer, is made once.
  func baselines(_ monitor: Monitor) throws -> [Baseline] {
    let sizes = sizes.count == 1 ? sizes : [sizes[1], sizes[3]]
    let roundings = sizes.map { size in
      population.uniform(budget: size).map { widths in
        BoundSpace.Genes(
          widths: widths, score: "wanda-sp", calibration: evaluator.bound.calibrations[0],
          samples: evaluator.bound.space.samples.max())
      }
    }
    var baselines = sizes.map { _ in [Baseline]() }
    let ways: [(CandidateEvaluator.Weights, String)] = [
      (.inherited, "uniform, no repair"), (.repaired, "uniform, repaired"),
    ]
    for (number, (weights, label)) in ways.enumerated() {
      let share = Double(number) / Double(ways.count)
      let best = try evaluator.best(
        ofEach: roundings, weights,
        monitor.during(.init(.baselines)).within(share...share + 1 / Double(ways.count)))
      let answers = try evaluator.answers(of: best.compactMap { $0?.genes }, weights, monitor.during(.init(.baselines)))
      var next = answers[...]
      for (place, best) in best.enumerated() {
        guard let (genes, comparison) = best, let tasks = next.popFirst() else { continue }
        baselines[place].append(
          Baseline(
            label: label, measurement: evaluator.measurement(of: genes, Quality(comparison), tasks),
            score: genes.score, calibration: genes.statistics, widths: genes.widths))
      }
    }
    // Candidates are judged with repair.
    evaluator.inherited.forget()
    return baselines.flatMap { $0 }
  }
}
