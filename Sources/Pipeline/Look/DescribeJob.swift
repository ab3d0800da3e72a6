import Calibration
import Exports
import Foundation
import Search
import Subnets

/// A search space that is to be explained for a model.
public struct DescribeRequest: Codable, Equatable, Sendable {
  /// A name, or the path of a file.
  public var space: String
  public var model: String
  /// The sets that a search would choose from.
  public var calibration: [CalibrationSource] = [.model]

  public init(space: String, model: String) { (self.space, self.model) = (space, model) }
}

/// Says what a search space means for a model.
public struct DescribeJob {
  public struct Outcome: Sendable {
    /// The genes, each with the block parameters that a unit of it costs; 0 for choices.
    public let genes: [(variable: Variable, parameters: Int)]
    /// Block parameters of the smallest and the largest subnet.
    public let cost: ClosedRange<Int>
    /// Block parameters of the model.
    public let dense: Int
    /// What loads its subnets, by format.
    public let outlooks: [ExportOutlook]

    /// Decimal logarithm of the number of genomes.
    public var magnitude: Double { genes.reduce(0) { $0 + log10(Double($1.variable.levels)) } }
  }

  private let request: DescribeRequest
  private let context: JobContext

  public init(_ request: DescribeRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the space, or with the space for this model.
  func prepare() throws -> BoundSpace {
    let space = try SpaceLibrary.parse(SpaceLibrary.text(request.space), file: request.space)
    return try BoundSpace(
      space, to: context.model(request.model).configuration, calibrationSets: request.calibration.map(\.name))
  }

  public func run() throws -> Outcome {
    let bound = try prepare()
    let (lowest, highest) = (bound.cost.cost(bound.design.lowest), bound.cost.cost(bound.design.highest))
    return Outcome(
      genes: Array(zip(bound.design.variables, bound.cost.weights)), cost: lowest...highest,
      dense: bound.configuration.blockParameters,
      outlooks: ExportFormat.allCases.map { ExportOutlook(bound.configuration, $0) })
  }
}
