import Evaluation
import Exports
import Reformation
import Runtime

/// A subnet that any tool pruned, whose weights are to be corrected.
public struct RepairRequest: Codable, Equatable, Sendable {
  /// The subnet.
  public var model: String
  /// Its dense parent.
  public var dense: String
  public var calibration: CalibrationPlan
  public var output: CheckpointOutput

  public init(model: String, dense: String, calibration: CalibrationPlan, output: CheckpointOutput) {
    (self.model, self.dense, self.calibration, self.output) = (model, dense, calibration, output)
  }
}

/// Corrects the weights of a subnet by least squares, and writes it.
public struct RepairJob {
  public struct Outcome: Sendable {
    /// On the held-out windows, before and after.
    public let before: Comparison
    public let after: Comparison
    public let densePerplexity: Double
    public let steps: [SequentialReformation.Step]
    /// Whether the divergence got smaller; if not, the subnet was written as it is.
    public let improves: Bool
    public let export: ExportResult
  }

  private let request: RepairRequest
  private let context: JobContext

  public init(_ request: RepairRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let target = request.output.target(monitor)
    let session = try RepairSession(
      dense: request.dense, subnet: request.model, plan: request.calibration, output: target,
      memory: context.memory, monitor: monitor)
    let found = try session.repair(monitor: monitor)
    let export = try session.write(found, to: target, toolVersion: context.toolVersion)
    return Outcome(
      before: found.before, after: found.after, densePerplexity: found.densePerplexity, steps: found.steps,
      improves: found.improves, export: export)
  }
}
