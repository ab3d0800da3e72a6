import Checkpoints
import Exports
import LanguageModels
import Runtime

/// A model that is to be written in another format or with another type of weights.
public struct ConvertRequest: Codable, Equatable, Sendable {
  public var model: String
  public var output: CheckpointOutput

  public init(model: String, output: CheckpointOutput) { (self.model, self.output) = (model, output) }
}

/// Writes a model as it is. Like every export the copy is read back and compared before it takes its place.
public struct ConvertJob {
  private let request: ConvertRequest
  private let context: JobContext

  public init(_ request: ConvertRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything is written.
  func prepare(_ monitor: Monitor) throws -> (model: LanguageModel, target: ExportTarget) {
    let (model, target) = try context.model(request.model, for: request.output, monitor)
    try DiskSpace.check([target.need(parameters: model.configuration.totalParameters)])
    return (model, target)
  }

  public func run(_ monitor: Monitor = .silent) throws -> ExportResult {
    let (model, target) = try prepare(monitor)
    let record: JSONValue = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(context.toolVersion), "method": "convert",
      "parent": try model.record(named: model.name),
    ]
    return try Exporter.export(model, parent: model, record: record, to: target.url, options: target.options)
  }
}
