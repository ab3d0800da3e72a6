import ArgumentParser
import Pipeline

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Continue a prompt, to see how a model writes.")
  private static let standard = GenerateRequest.standard

  @Option(help: "A Hugging Face folder or a .gguf file.", transform: LocalPath.checked) var model: String
  @Option(help: "Text to continue.") var prompt: String
  @Option(help: "Tokens to generate at most.") var tokens = standard.tokens
  @Option(help: "0 takes the most likely token.") var temperature = standard.temperature
  @Option(help: "Share of probability to draw from.") var topP = standard.topP
  @Option(help: "Seed of the draws.") var seed = standard.seed

  func validate() throws { try UsageError.check { try request.validate() } }

  func run() throws { try Console.print(GenerateJob(request, in: MemoryOption.context()).run()) }

  private var request: GenerateRequest {
    var request = GenerateRequest(model: model, prompt: prompt)
    (request.tokens, request.temperature, request.topP, request.seed) = (tokens, temperature, topP, seed)
    return request
  }
}
