import Exports
import Runtime

/// A model that is to be made smaller by one named method.
public struct PruneRequest: Codable, Equatable, Sendable {
  public var model: String
  /// Name of the method.
  public var method: String
  public var target: SizeTarget
  /// Settings of the method, `name=value` each.
  public var settings: [String] = []
  public var calibration = CalibrationPlan()
  /// λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose it.
  public var damping: Double?
  public var output: CheckpointOutput

  public init(model: String, method: String, target: SizeTarget, output: CheckpointOutput) {
    (self.model, self.method, self.target, self.output) = (model, method, target, output)
  }
}

/// Makes a model smaller by a method, measures the subnet and writes it.
public struct PruneJob {
  public struct Outcome {
    public let pruned: PruneSession.Outcome
    /// What may spoil the result.
    public let warnings: [String]
    public let export: ExportResult
  }

  private let request: PruneRequest
  private let context: JobContext

  public init(_ request: PruneRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let target = request.output.target(monitor)
    let session = try PruneSession(
      model: request.model, method: request.method, target: request.target, assignments: request.settings,
      plan: request.calibration, damping: request.damping, output: target, cache: context.cache,
      memory: context.memory, monitor: monitor)
    let pruned = try session.prune()
    return Outcome(
      pruned: pruned, warnings: pruned.damping == nil ? [] : session.warnings,
      export: try session.write(pruned, to: target, toolVersion: context.toolVersion))
  }
}
