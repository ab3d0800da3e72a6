import Exports
import Reformation
import Runtime
import Studies

/// A point of a study's front that is to be taken away as checkpoints.
public struct ExportRequest: Codable, Equatable, Sendable {
  /// Address of the study.
  public var study: String
  /// `best`, `knee` or a point's number.
  public var point = "best"
  /// With `best`: the largest share of block parameters.
  public var keep: Double?
  /// `sequential`, `nested` or `none`.
  public var repair = Repair.sequential
  /// The parent, if it is no longer at the place that the study remembers.
  public var model: String?
  public var outputs: [CheckpointOutput]

  public static let standard = ExportRequest(study: "", outputs: [])

  public init(study: String, outputs: [CheckpointOutput]) { (self.study, self.outputs) = (study, outputs) }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    if ![.sequential, .nested, .none].contains(repair) {
      throw PipelineError.invalidOption("--repair is sequential, nested or none")
    }
    guard let keep else { return }
    if point != "best" {
      throw PipelineError.invalidOption("--keep goes with --point best only, not with '\(point)'")
    }
    try SizeTarget.keep(keep).validate()
  }
}

/// Gives a point of a front its final weights, and writes it.
public struct ExportJob {
  public struct Outcome: Sendable {
    public let subnet: SubnetExport.Finished
    /// One for each output.
    public let exports: [ExportResult]
  }

  private let request: ExportRequest
  private let context: JobContext

  public init(_ request: ExportRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything slow.
  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    try request.validate()
    let targets = request.outputs.map { $0.target(monitor) }
    let export = try SubnetExport(
      StudyAddress(request.study), point: request.point, keep: request.keep, model: request.model, targets: targets,
      cache: context.cache, memory: context.memory, monitor: monitor)
    let subnet = try export.finish(repair: request.repair, toolVersion: context.toolVersion, monitor: monitor)
    return Outcome(subnet: subnet, exports: try targets.map { try export.write(subnet, to: $0) })
  }
}
