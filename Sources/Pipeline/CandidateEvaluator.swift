import Calibration
import Evaluation
import Foundation
import Importance
import LanguageModels
import Reformation
import Reports
import Search
import Subnets

/// Turns genes into subnets and measures them against the dense model.
struct CandidateEvaluator: Sendable {
  let model: LanguageModel
  let bound: BoundSpace
  let reference: DenseReference
  let repaired: SubnetFactory<LanguageModel>
  let inherited: SubnetFactory<LanguageModel>

  init(
    model: LanguageModel, bound: BoundSpace, statistics: [any Statistics], fitness: TokenWindows,
    settings: SearchSettings
  ) throws {
    self.model = model
    self.bound = bound
    reference = try DenseReference(model, windows: fitness)
    let scores = try Set(bound.space.scores + ["wanda-sp"]).sorted().map(ImportanceRegistry.named)
    guard let repair = RepairMode(rawValue: settings.repair) else {
      throw PipelineError.invalidOption("unknown repair '\(settings.repair)' (known: none, ls)")
    }
    let limit = Int(ProcessInfo.processInfo.physicalMemory / 4)
    repaired = SubnetFactory(
      parent: model, scores: scores, statistics: statistics, repair: repair, damping: settings.damping,
      byteLimit: limit)
    inherited = SubnetFactory(
      parent: model, scores: scores, statistics: statistics, repair: .none, damping: settings.damping,
      byteLimit: limit / 4)
  }

  func measure(_ genes: BoundSpace.Genes, repairing: Bool = true) throws -> PointMeasurement {
    let factory = repairing ? repaired : inherited
    let subnet = try factory.subnet(
      genes.widths, SubnetFactory.Choice(score: genes.score, calibration: genes.calibration))
    return measurement(subnet.configuration, try reference.compare(subnet))
  }

  /// The dense model beside itself.
  var dense: PointMeasurement {
    let configuration = model.configuration
    return PointMeasurement(
      keepRatio: 1, parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      kl: 0, perplexity: reference.perplexity.value, top1Agreement: 1)
  }

  func measurement(_ configuration: ModelConfiguration, _ comparison: Comparison) -> PointMeasurement {
    PointMeasurement(
      keepRatio: Double(configuration.blockParameters) / Double(model.configuration.blockParameters),
      parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      kl: comparison.divergence, perplexity: comparison.perplexity.value,
      top1Agreement: comparison.topOneAgreement)
  }
}
