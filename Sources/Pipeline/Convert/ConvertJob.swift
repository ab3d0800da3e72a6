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

  public init(model: String, output: CheckpointOutput, vocabulary: VocabularyRequest = VocabularyRequest(texts: [])) {
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
  func prepare(_ monitor: Monitor) throws -> (model: LanguageModel, target: ExportTarget) {
    try request.vocabulary.validate()
    let texts = (request.vocabulary.texts + request.vocabulary.heldOut).compactMap(\.url)
    let (model, target) = try context.model(request.model, for: request.output, inputs: texts, monitor)
    try DiskSpace.check([target.need(parameters: model.configuration.totalParameters)])
    return (model, target)
  }

  public func run(_ monitor: Monitor = .silent) throws -> Outcome {
    let (model, target) = try prepare(monitor)
    var record: [String: JSONValue] = [
      "schema": "nas-search.export", "version": 1, "tool_version": .string(context.toolVersion), "method": "convert",
      "parent": try model.record(named: model.name),
    ]
    // A subnet that was exported before goes on telling how it was made.
    if let earlier = model.exportRecord { record["earlier"] = earlier }
    var options = target.options
    var outcome: VocabularyOutcome?
    if !request.vocabulary.isEmpty {
      let chosen = try VocabularyJob(request.vocabulary, of: model).run(monitor)
      (options.vocabulary, outcome) = (chosen.vocabulary, chosen.outcome)
      record["vocabulary"] = chosen.outcome.record
    }
    let export = try Exporter.export(model, parent: model, record: .object(record), to: target.url, options: options)
    return Outcome(export: export, vocabulary: outcome)
  }
}
