import ArgumentParser
import Calibration
import Foundation
import LanguageModels
import Pipeline

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a prompt, to see how a model writes.")

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Text to continue.") var prompt: String
  @Option(help: "Tokens to generate at most.") var tokens = 64
  @Option(help: "0 takes the most likely token.") var temperature: Float = 0.8
  @Option(help: "Share of probability to draw from.") var topP: Float = 0.95
  @Option(help: "Seed of the draws.") var seed: UInt64 = 0

  func validate() throws {
    if prompt.isEmpty { throw ValidationError("--prompt is empty") }
    if tokens < 1 { throw ValidationError("--tokens must be at least 1") }
    if !(temperature >= 0 && temperature.isFinite && topP > 0 && topP <= 1) {
      throw ValidationError("--temperature must not be negative, and --top-p above 0 and at most 1")
    }
  }

  func run() throws {
    let model = try LanguageModel(URL(fileURLWithPath: model))
    let tokenizer = try model.tokenizer()
    let start = try model.checked(tokenizer.runningTokens(prompt), of: "--prompt", tokenizer)
    let context = model.configuration.longestContext
    guard tokens <= context - start.count else {
      throw PipelineError.invalidOption(
        "--tokens \(tokens) after a prompt of \(start.count) exceed the model's context of \(context) tokens")
    }
    let result = try Generator.continuations(
      of: [start], by: tokens, model: model, sampling: Sampling(temperature: temperature, topP: topP), seed: seed)
    let written = result[0].dropFirst(start.count).prefix { !model.configuration.eosTokens.contains($0) }
    try Console.print(prompt + tokenizer.continuation(of: start, by: Array(written)))
  }
}
