import Evaluation
import LanguageModels
import Reformation
import Subnets
import Workbench

/// Any method with a short training behind it (`Descent`), on the bench's calibration windows: `numerical+descent`.
///
/// All methods get the same training, so that a comparison can tell what pruning brings from what training does.
struct DescendingMethod<Base: PruningMethod>: PruningMethod {
  typealias Settings = Base.Settings

  let base: Base

  var name: String { base.name + MethodRegistry.descentSuffix }
  var summary: String { "\(base.summary); then short training on the calibration windows" }
  var source: String { base.source }
  var gradients: Set<BackwardPass.Scalar> { base.gradients }
  var keepsOneWidth: Bool { base.keepsOneWidth }
  func addsOutputBiases(_ settings: Settings) -> Bool { base.addsOutputBiases(settings) }

  func prune(_ bench: Workbench, budget: Int, _ settings: Settings) throws -> PrunedModel {
    try bench.descending(base.prune(bench, budget: budget, settings))
  }
}

extension Workbench {
  /// A subnet of any method after a short training on the calibration windows, if the held-out windows say that it helped.
  public func descending(_ pruned: PrunedModel) throws -> PrunedModel {
    let (training, reference) = (try trainingReference(), try reference())
    return try timed(.repair) {
      let chosen = try RepairDecision(
        RepairDecision.Repaired(pruned.network, repair: pruned.repair, on: reference)
      ).continued(.descent, toward: training, fresh: freshShare, reference: reference, monitor).chosen
      return PrunedModel(
        units: pruned.units, network: chosen.network, repair: chosen.repair, decisions: pruned.decisions)
    }
  }
}
