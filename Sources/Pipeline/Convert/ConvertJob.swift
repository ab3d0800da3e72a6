import Calibration
import Checkpoints
import Exports
import LanguageModels
import Runtime

/// A model that is to be written in another format, with another type of weights, or with fewer tokens.
public struct ConvertRequest: Codable, Equatable, Sendable {
  public var model: String
  public var output: CheckpointOutput
  public var vocabulary: VocabularyRequest

  public init(model: String, output: CheckpointOutput, vocabulary: VocabularyRequest = .whole) {
    (self.model, self.output, self.vocabulary) = (model, output, vocabulary)
  }
}

/// Writes a model as it is, or with fewer tokens. Like every export the copy is read back and compared before it takes its
/// place.
public struct ConvertJob {
  public struct Outcome: Sendable {
    public let export: ExportResult
    /// `nil` where all tokens stay.
    public let vocabulary: VocabularyOutcome?
  }

  private let request: ConvertRequest
  private let context: JobContext

  public init(_ request: ConvertRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before anything is written.
  func prepare(_ monitor: Monitor) throws -> OpenedModel {
    let opened = try context.model(request.model, for: request.output, request.vocabulary, monitor)
    let written = opened.model.configuration.written(with: opened.vocabulary)
    try DiskSpace.check([opened.target.need(parameters: written.totalParameters)])
    return opened
  }

  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let opened = try prepare(monitor)
    let model = opened.model
    var record: [String: JSONValue] = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(context.toolVersion), "method": "convert",
      "parent": try model.record(named: model.name),
    ]
    // A subnet that was exported before goes on telling how it was made.
    if let earlier = model.exportRecord { record["earlier"] = earlier }
    let vocabulary = opened.vocabulary?.outcome(for: model.configuration)
    record["vocabulary"] = vocabulary?.record
    let export = try Exporter.export(
      model, parent: model, record: .object(record), to: opened.target.url,
      options: opened.target.keeping(opened.vocabulary).options)
    return Outcome(export: export, vocabulary: vocabulary)
  }
}
