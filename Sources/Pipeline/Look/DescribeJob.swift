import Calibration
import Foundation
import LanguageModels
import Search
import Subnets

/// What a search space means for a model.
public struct DescribeJob {
  /// A gene, and the block parameters that a unit of it costs; 0 for choices.
  public typealias Gene = (variable: Variable, parameters: Int)

  public let genes: [Gene]
  /// Block parameters of the smallest and the largest subnet.
  public let cost: ClosedRange<Int>
  /// Block parameters of the model.
  public let dense: Int

  /// - Parameters:
  ///   - space: a name, or the path of a file.
  ///   - calibration: the sets that a search would choose from.
  public init(space: String, model: String, calibration: [CalibrationSource]) throws {
    let space = try SpaceLibrary.parse(SpaceLibrary.text(space), file: space)
    let model = try LanguageModel(URL(fileURLWithPath: model))
    let bound = try BoundSpace(space, to: model.configuration, calibrationSets: calibration.map(\.name))
    genes = Array(zip(bound.design.variables, bound.cost.weights))
    cost = bound.cost.cost(bound.design.lowest)...bound.cost.cost(bound.design.highest)
    dense = model.configuration.blockParameters
  }

  /// Decimal logarithm of the number of genomes.
  public var magnitude: Double { genes.reduce(0) { $0 + log10(Double($1.variable.levels)) } }
}
