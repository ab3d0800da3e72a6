import Checkpoints
import Exports
import Foundation
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

  public func run(_ monitor: Monitor = .silent) throws -> ExportResult {
    let model = try LanguageModel(URL(fileURLWithPath: request.model), memory: context.memory)
    let target = request.output.target(monitor)
    try Exporter.check(model, [target])
    try DiskSpace.check([target.need(parameters: model.configuration.totalParameters)])
    let record: JSONValue = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(context.toolVersion), "method": "convert",
      "parent": try model.record(named: model.name),
    ]
    return try Exporter.export(model, parent: model, record: record, to: target.url, options: target.options)
  }
}
