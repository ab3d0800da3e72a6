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
  /// Text whose activations say how much rounding errors of a quantisation count; `nil` for as much as values are large.
  public var importance: CalibrationSource?

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
    try PipelineError.require(
      request.importance == nil || request.output.type.heedsImportance,
      "--importance goes with quantisations that heed it: "
        + WeightType.allCases.filter(\.heedsImportance).map { "--dtype \($0.rawValue)" }.joined(separator: ", "))
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
    var options = opened.target.keeping(opened.vocabulary).options
    if let source = request.importance {
      options.importanceTokens = try model.importanceWindows(of: source)
      record["importance"] = .string(source.name)
    }
    let export = try Exporter.export(
      model, parent: model, record: .object(record), to: opened.target.url, options: options)
    return Outcome(export: export, vocabulary: vocabulary)
  }
}

extension LanguageModel {
  /// Windows from all over a text, as many as `CalibrationFile.importanceWindows` has.
  ///
  /// - Throws: `CalibrationError` for a text that cannot be read, or is shorter than a window.
  fileprivate func importanceWindows(of source: CalibrationSource) throws -> TokenWindows {
    let tokens = try tokenizer().encode(TextCorpus.read(source), addSpecialTokens: false)
    let length = min(CalibrationPlan().calibrationLength, configuration.contextLength)
    let count = min(tokens.count / length, max(1, CalibrationFile.importanceTokens / length))
    try PipelineError.require(
      count > 0, "--importance \(source.name): the text has \(tokens.count) tokens, fewer than a window of \(length)")
    let starts = TokenWindows.starts(of: count, length: length, in: tokens.count)
    return TokenWindows(length: length, tokens: starts.flatMap { tokens[$0..<$0 + length] })
  }
}
