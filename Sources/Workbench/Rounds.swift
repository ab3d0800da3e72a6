import Calibration
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Subnets

/// Removal in rounds: what is known of a model is gathered anew on a subnet that is already pruned and repaired.
///
/// The statistics of the dense model say what a module loses if it is cut alone. Where all modules are cut, each reads
/// what the pruned ones before it left, and the loss has another curvature. So a round takes the widths that the curves
/// ask for at a size on the way, repairs that subnet layer by layer, and gathers statistics and gradients on it
/// (`PrefixStatistics`). The next ranking, the next curves and the weights of candidates come from these.
extension Workbench {
  /// Judges the candidates of a space on the held-out windows, with statistics gathered in rounds.
  ///
  /// - Parameters:
  ///   - plan: its repair, precision, metric of error curves, rounds and windows for gradients.
  ///   - budget: block parameters that the candidates will have; `nil` if they differ: then there is one round.
  ///   - makesCurves: whether error curves will be made of the result.
  ///   - windows: how many of the held-out windows; `nil` for all.
  /// - Throws: `ReformationError.expertsHaveNoPrefix` and `.roundsNeedCurves` where there can be no rounds, and the errors
  ///   of passes and repair.
  public func evaluator(
    _ bound: BoundSpace, _ plan: SearchPlan, budget: Int?, makesCurves: Bool = true, windows: Int? = nil
  ) throws -> CandidateEvaluator {
    let rounds = plan.rounds ?? 1
    guard let budget, plan.hasRounds else {
      return try evaluator(bound, plan, makesCurves: makesCurves, windows: windows)
    }
    if configuration.block.experts != nil { throw ReformationError.expertsHaveNoPrefix }
    guard ChoiceCurves.exist(bound, plan.repair) else { throw ReformationError.roundsNeedCurves }
    var evaluator = try evaluator(bound, plan, windows: windows)
    let solving = evaluator.statistics
    for size in Self.sizes(to: budget, of: configuration.blockParameters, rounds: rounds) {
      var curves = ChoiceCurves(evaluator, metric: plan.curveMetric)
      try timed(.score) { try curves.findMain(budget: size, monitor) }
      // Even the narrowest widths may be larger.
      guard let solution = curves.solution(of: curves.main, budget: size) else { return evaluator }
      let reference = ReferenceSubnet(self, try evaluator.units(evaluator.genes(solution)))
      let statistics = try bound.calibrations.flatMap { choice in
        try (bound.space.samples.isEmpty ? [nil] : bound.space.samples.map(Optional.init)).map {
          try self.statistics(of: choice, samples: $0, on: reference, bound, plan)
        }
      }
      let (correlation, objectives) = (evaluator.correlation, evaluator.objectives)
      evaluator = try CandidateEvaluator(
        model, bound, statistics, solving: solving, reference: evaluator.reference, repair: plan.repair,
        damping: evaluator.repaired.damping, dense: dense)
      (evaluator.correlation, evaluator.objectives) = (correlation, objectives)
    }
    return evaluator
  }

  /// Rounds that were found to pay: two to about half the size (`results/do-rounds-pay`).
  ///
  /// - Parameter budget: block parameters that the result will have.
  public static func rounds(to budget: Int, of configuration: ModelConfiguration) -> Int {
    let isHalf = Double(budget) <= 0.55 * Double(configuration.blockParameters)
    return isHalf && configuration.block.experts == nil ? 2 : 1
  }

  /// Block parameters of the subnets on the way, the largest first: their shares of the dense model's are geometric, and
  /// the last has the size of the result.
  static func sizes(to budget: Int, of dense: Int, rounds: Int) -> [Int] {
    let share = Double(budget) / Double(dense)
    return (1..<max(1, rounds)).map { Int(Double(dense) * pow(share, Double($0) / Double(rounds - 1))) }
  }

  /// The statistics of a choice on a subnet, with the gradients that scores and curves need.
  private func statistics(
    of choice: String, samples: Int?, on reference: ReferenceSubnet, _ bound: BoundSpace, _ plan: SearchPlan
  ) throws -> any Statistics {
    let name = BoundSpace.statistics(choice, samples: samples)
    let parts = try parts(choice).map { set in
      let windows = set.calibration.first(samples ?? .max)
      let dense = try statistics(of: set.name, samples: samples, recording: nil)
      let made = try statisticsStore.statistics(
        name: BoundSpace.statistics(set.name, samples: samples), around: configuration,
        fingerprint: reference.fingerprint, windows: windows, monitor: monitor
      ) { body in
        try PrefixStatistics.run(
          model, reference.network(), on: windows, dense: dense, tokens: ReferenceSubnet.options.tokens, body)
      }
      charge(made.cost, of: "statistics of \(made.name) on \(reference.fingerprint)")
      return made as any Statistics
    }
    let base = parts.count == 1 ? parts[0] : MixedStatistics(name: name, parts)
    var gradients: [BackwardPass.Scalar: StoredSaliencies] = [:]
    let scalars = Set(try bound.space.allScores.compactMap { try ImportanceRegistry.named($0).gradients })
    for scalar in scalars.union(plan.curveMetric.gradients) {
      gradients[scalar] =
        scalar == .sampledLoss
        ? try saliencies(on: reference, choice: choice, windows: plan.gradientWindows)
        : try saliencies(of: scalar, choice: choice, windows: plan.gradientWindows)
    }
    return StatisticsWithGradients(base, gradients: gradients)
  }

  /// Output moments of a subnet's gradients. Those of weights would be of other shapes than the dense model's.
  private func saliencies(
    on reference: ReferenceSubnet, choice: String, windows count: Int
  ) throws -> StoredSaliencies {
    let windows = gradientWindows(of: choice, count)
    let made = try gradientStore.saliencies(
      of: .sampledLoss, network: reference.network(), fingerprint: reference.fingerprint, windows: windows,
      subject: choice, monitor: monitor)
    charge(made.cost, of: "gradients of \(choice) on \(reference.fingerprint)")
    return made
  }
}

/// A subnet that statistics are gathered on, repaired when it is first asked for.
private final class ReferenceSubnet {
  /// Of the model, the units, and all that the repair depends on.
  let fingerprint: String
  /// Of its repair. What is gathered on it weights tokens likewise.
  static let options = SequentialReformation.Options()
  private let bench: Workbench
  private let units: [KeptUnits]
  private var made: Subnet<LanguageModel>?

  init(_ bench: Workbench, _ units: [KeptUnits]) {
    (self.bench, self.units) = (bench, units)
    let key = Fingerprint()
    key.add("\(bench.fingerprint) \(units) \(Self.options)")
    for windows in [bench.windows(), bench.heldOut] {
      key.add("\(windows.length)")
      key.add(tokens: windows.tokens)
    }
    fingerprint = key.text
  }

  func network() throws -> Subnet<LanguageModel> {
    if let made { return made }
    let inherited = try bench.inherited(units)
    let network = try SequentialReformation(
      parent: bench.dense, subnet: inherited, calibration: bench.windows(), heldOut: bench.heldOut,
      options: Self.options, monitor: bench.monitor
    ).subnet(of: inherited)
    made = network
    return network
  }
}
