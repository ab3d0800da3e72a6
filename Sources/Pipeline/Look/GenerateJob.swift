import Calibration
import Foundation
import LanguageModels

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
  private let request: GenerateRequest

  public init(_ request: GenerateRequest) { self.request = request }

  /// - Returns: the prompt and what follows, up to the end of the text if the model ends it.
  public func run() throws -> String {
    try request.validate()
    let model = try LanguageModel(URL(fileURLWithPath: request.model))
    let tokenizer = try model.tokenizer()
    let start = try model.checked(tokenizer.runningTokens(request.prompt), of: "--prompt", tokenizer)
    let context = model.configuration.longestContext
    guard request.tokens <= context - start.count else {
      throw PipelineError.invalidOption(
        "--tokens \(request.tokens) after a prompt of \(start.count) exceed the model's context of \(context) tokens")
    }
    let result = try Generator.continuations(
      of: [start], by: request.tokens, model: model,
      sampling: Sampling(temperature: request.temperature, topP: request.topP), seed: request.seed)
    let written = result[0].dropFirst(start.count).prefix { !model.configuration.eosTokens.contains($0) }
    return request.prompt + tokenizer.continuation(of: start, by: Array(written))
  }
}
