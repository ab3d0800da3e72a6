import Calibration
import LanguageModels
import LinearAlgebra
import Tokenizers

/// A request with its prompts as tokens of the model.
struct PreparedCompletion: Sendable {
  struct Prompt: Sendable {
    let tokens: [Int32]
    /// As it was given, or decoded.
    let text: String
    /// Number of the first tokens that are not of the text: those that the tokenizer puts before every text.
    let hidden: Int
  }

  let request: CompletionRequest
  let prompts: [Prompt]
  private let seed: UInt64

  /// - Throws: `RequestProblem` for prompts without tokens, with tokens that the model does not know, or too long for it, and for
  ///   more than the limits allow.
  init(
    _ request: CompletionRequest, _ configuration: ModelConfiguration, _ tokenizer: Tokenizer, _ limits: ServingLimits
  ) throws(RequestProblem) {
    self.request = request
    seed = request.seed ?? UInt64.random(in: .min ... .max)
    var prompts: [Prompt] = []
    var total = 0
    for given in request.prompts {
      let prompt =
        switch given {
        case .text(let text):
          Prompt(tokens: tokenizer.runningTokens(text), text: text, hidden: tokenizer.prefix.count)
        case .tokens(let tokens):
          Prompt(tokens: tokens, text: tokenizer.decode(tokens, skipSpecialTokens: false), hidden: 0)
        }
      try Self.check(prompt.tokens, most: request.most, configuration)
      total += prompt.tokens.count + request.most
      guard total <= limits.tokens else {
        throw .invalid(
          "prompt", "the prompts and 'max_tokens' behind each make more than \(limits.tokens) tokens in one request")
      }
      prompts.append(prompt)
    }
    self.prompts = prompts
    guard let alternatives = request.alternatives else { return }
    let places = request.repeatsPrompt ? total : prompts.count * request.most
    guard places * (alternatives + 1) <= limits.logProbabilities else {
      throw .invalid(
        "logprobs",
        "\(places) tokens with 'logprobs' \(alternatives) make more than \(limits.logProbabilities) numbers in one answer"
      )
    }
  }

  private static func check(
    _ tokens: [Int32], most: Int, _ configuration: ModelConfiguration
  ) throws(RequestProblem) {
    guard !tokens.isEmpty else { throw .invalid("prompt", "a prompt has no tokens") }
    let context = configuration.longestContext
    guard tokens.count <= context, most <= context - tokens.count else {
      throw RequestProblem(
        400, .invalid,
        "a prompt of \(tokens.count) tokens and 'max_tokens' \(most) exceed the model's context of \(context) tokens",
        field: "prompt", code: "context_length_exceeded")
    }
    if let token = tokens.first(where: { Int($0) >= configuration.vocabularySize }) {
      throw .invalid("prompt", "token \(token) is none of the model's \(configuration.vocabularySize)")
    }
  }

  /// Whether the tokens of prompts get log-probabilities.
  private var scoresPrompts: Bool { request.repeatsPrompt && request.alternatives != nil }

  private var sampling: Sampling { Sampling(temperature: request.temperature, topP: request.topP) }

  /// What is to be computed by a pass over a prompt; `nil` if nothing is.
  func scored(_ number: Int) -> ScoredPrompt? {
    guard scoresPrompts || request.most == 1 else { return nil }
    var random = SeededGenerator(seed: seed, stream: UInt64(number))
    return ScoredPrompt(
      tokens: prompts[number].tokens, isScored: scoresPrompts, alternatives: request.alternatives ?? 0,
      next: request.most == 1 ? (sampling, random.unit()) : nil)
  }

  /// What is to be written token by token; `nil` if nothing is.
  func written(_ number: Int) -> WritingTask? {
    guard request.most > 1 else { return nil }
    var task = WritingTask(prompts[number].tokens, most: request.most, stops: request.stops)
    (task.sampling, task.alternatives) = (sampling, request.alternatives)
    task.random = SeededGenerator(seed: seed, stream: UInt64(number))
    return task
  }
}
