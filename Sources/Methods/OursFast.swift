import Importance
import LanguageModels
import Reformation
import Subnets
import Workbench

/// Ours without search: of some scores the one whose error curves promise least, its widths, and a repair.
struct OursFast: PruningMethod {
  let name = "ours-fast"
  let summary = "error curves in the loss's metric, no search; least-squares repair"
  let source = "nas-search"
  let gradients: Set<BackwardPass.Scalar> = [.sampledLoss]

  struct Settings: MethodSettings {
    var scores = ["obs-loss", "obs", "flap"]
    var plan = SearchPlan()
    /// `nil` chooses by the width.
    var step: Int?
    var repair = Repair.nested
    /// `nil` for the bench's.
    var damping: Double?
    var sequential = SequentialReformation.Options()

    static var fields: [SettingField<Self>] {
      typealias Options = SequentialReformation.Options
      return [
        .list("scores", \.scores, known, "scores to choose from"),
        .choice(
          "curve-metric", \.plan.curveMetric, ErrorCurves.Metric.allCases, "what makes the errors of modules comparable"
        ),
        .number(
          "gradient-windows", \.plan.gradientWindows, 1...1_000_000, "windows of the calibration for gradients"),
        .choice(
          "allocation", \.plan.allocation, Allocation.allCases,
          "whether the errors of modules add up alone or with what they have together"),
        .number("rounds", \.plan.rounds, 1...64, "rounds of removal, each with statistics of its own"),
        .number("step", \.step, 1...4096, "channels that an MLP loses at a time"),
        .choice("repair", \.repair, Repair.allCases.filter { $0 != .descent }, "final correction of the weights"),
        .number(
          "damping", \.damping, 1e-9...1e6, "λ of the least squares as a share of the Gram's mean diagonal"),
        .choice(
          "target", \.sequential.target, Options.Target.allCases,
          "sequential: make up for the residual stream's error, or give the layer's own dense output"),
        .choice("scope", \.sequential.scope, Options.Scope.allCases, "sequential: projections that are fitted"),
        .choice("tokens", \.sequential.tokens, Options.Tokens.allCases, "sequential: how much a token's error counts"),
        .choice(
          "bias", \.sequential.bias, named: [("no", false), ("yes", true)], "sequential: whether to add biases"),
        .choice(
          "gates", \.sequential.gates, named: [("no", false), ("yes", true)],
          "sequential: whether gates are fitted to what an MLP gives"),
      ]
    }

    /// Scores that need no gradients, or such as other scores need, too.
    static var known: [String] {
      ImportanceRegistry.all.filter { $0.gradients != .maximumLogit }.map(\.name)
    }

    var addsBiases: Bool { repair == .bias || repair.beginsSequentially && sequential.bias }

    /// Block parameters for the units: biases are parameters too.
    func budget(_ budget: Int, of configuration: ModelConfiguration) -> Int {
      addsBiases
        ? budget - (configuration.addingOutputBiases.blockParameters - configuration.blockParameters) : budget
    }

    /// The plan with rounds, if none are given: before a sequential repair those that pay.
    func plan(_ budget: Int, of configuration: ModelConfiguration) -> SearchPlan {
      var plan = plan
      if repair.beginsSequentially { plan.rounds = plan.rounds ?? Workbench.rounds(to: budget, of: configuration) }
      return plan
    }
  }

  func addsOutputBiases(_ settings: Settings) -> Bool { settings.addsBiases }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    let space = SearchSpace.widths(scores: settings.scores, step: settings.step)
    let plan = settings.plan(budget, of: bench.configuration)
    let evaluator = try bench.evaluator(
      BoundSpace(space, to: bench.configuration, calibrationSets: bench.sets.map(\.name)), plan, budget: budget)
    var curves = ChoiceCurves(evaluator, metric: settings.plan.curveMetric)
    try bench.timed(.score) { try curves.complete(bench.monitor) }
    guard let solution = curves.solution(budget: settings.budget(budget, of: bench.configuration)) else {
      throw MethodError.impossible(name, bench, budget: budget)
    }
    var genes = evaluator.genes(solution)
    genes.damping = settings.damping
    let units = try evaluator.units(genes)
    let (network, repair) = try finish(bench, units, settings) {
      // Only the evaluator has the statistics of rounds.
      try $0 == .nested && plan.hasRounds
        ? evaluator.subnet(genes) : bench.subnet(keeping: units, repair: $0, damping: settings.damping)
    }
    return PrunedModel(
      units: units, network: network, repair: repair,
      decisions: ["score": solution.choice.score, "predicted error": "\(solution.predictedError)"])
  }

  /// The units with their final weights, and the repair that these carry.
  ///
  /// - Parameter subnet: makes the subnet of the units with a repair of single layers.
  private func finish(
    _ bench: Workbench, _ units: [KeptUnits], _ settings: Settings, _ subnet: (Repair) throws -> Subnet<LanguageModel>
  ) throws -> (network: Subnet<LanguageModel>, repair: Repair) {
    let alone = settings.repair.beginsSequentially ? .nested : settings.repair
    let judged = try bench.timed(.repair) { try subnet(alone) }
    if !settings.repair.beginsSequentially { return (judged, alone) }
    return try bench.timed(.repair) {
      let chosen = try RepairDecision.make(
        RepairDecision.Repaired(judged, repair: alone, on: bench.reference()),
        inherited: bench.inherited(units), parent: bench.dense, calibration: bench.windows(),
        reference: bench.reference(), options: settings.sequential, bench.monitor
      ).continued(
        settings.repair, toward: bench.trainingReference(), fresh: bench.freshShare, reference: bench.reference(),
        bench.monitor
      ).chosen
      return (chosen.network, chosen.repair)
    }
  }
}
