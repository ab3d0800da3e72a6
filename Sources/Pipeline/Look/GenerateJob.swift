import LanguageModels
import Tokenizers

/// A prompt that a model is to continue.
public struct GenerateRequest: Codable, Equatable, Sendable {
  public var model: String
  public var prompt: String
  /// Maximum number of tokens to generate.
  public var tokens = 64
  /// 0 takes the most likely token.
  public var temperature: Float = 0.8
  /// Share of probability to draw from.
  public var topP: Float = 0.95
  public var seed: UInt64 = 0

  public static let standard = GenerateRequest(model: "", prompt: "")

  public init(model: String, prompt: String) { (self.model, self.prompt) = (model, prompt) }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require(!prompt.isEmpty, "--prompt is empty")
    try PipelineError.require(tokens >= 1, "--tokens must be at least 1")
    try PipelineError.require(
      temperature >= 0 && temperature.isFinite && topP > 0 && topP <= 1,
      "--temperature must not be negative, and --top-p above 0 and at most 1")
  }
}

/// Continues a prompt.
public struct GenerateJob {
  /// A model, and the prompt as its tokens.
  struct Prepared {
    let model: LanguageModel
    let tokenizer: Tokenizer
    let start: [Int32]
  }

  private let request: GenerateRequest
  private let context: JobContext

  public init(_ request: GenerateRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// - Throws: whatever is wrong with the request, before any token is drawn.
  func prepare() throws -> Prepared {
    try request.validate()
    let model = try context.model(request.model)
    let tokenizer = try model.tokenizer()
    let start = try model.checked(tokenizer.runningTokens(request.prompt), of: "--prompt", tokenizer)
    let context = model.configuration.longestContext
    try PipelineError.require(
      request.tokens <= context - start.count,
      "--tokens \(request.tokens) after a prompt of \(start.count) exceed the model's context of \(context) tokens")
    return Prepared(model: model, tokenizer: tokenizer, start: start)
  }

  /// - Returns: the prompt and what follows, up to the end of the text if the model ends it.
  public func run() throws -> String {
    let prepared = try prepare()
    let (model, start) = (prepared.model, prepared.start)
    let result = try Generator.continuations(
      of: [start], by: request.tokens, model: model,
      sampling: Sampling(temperature: request.temperature, topP: request.topP), seed: request.seed)
    let written = result[0].dropFirst(start.count).prefix { !model.configuration.eosTokens.contains($0) }
    return request.prompt + prepared.tokenizer.continuation(of: start, by: Array(written))
  }
}
