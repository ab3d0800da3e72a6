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
      // What is written has a limit of its own, so the product is small.
      total += prompt.tokens.count + request.choices * request.most
      guard total <= limits.tokens else {
        throw .invalid(
          "prompt",
          "the prompts and 'max_tokens' of each choice make more than \(limits.tokens) tokens in one request")
      }
      prompts.append(prompt)
    }
    self.prompts = prompts
    guard let alternatives = request.alternatives else { return }
    let repeated = request.repeatsPrompt ? prompts.reduce(0) { $0 + $1.tokens.count } : 0
    let places = request.choices * (repeated + prompts.count * request.most)
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

  /// Numbers of the answer's choices: those of the first prompt, then those of the next.
  var choices: Range<Int> { 0..<prompts.count * request.choices }

  func prompt(of choice: Int) -> Prompt { prompts[choice / request.choices] }

  /// The choices whose prompt has the scores that a pass finds for one of them.
  func choices(scoredWith choice: Int) -> Range<Int> {
    scoresPrompts && choice % request.choices == 0 ? choice..<choice + request.choices : choice..<choice
  }

  /// What is to be computed for a choice by a pass over its prompt; `nil` if nothing is.
  func scored(_ choice: Int) -> ScoredPrompt? {
    let isScored = !choices(scoredWith: choice).isEmpty
    guard isScored || request.most == 1 else { return nil }
    var random = SeededGenerator(seed: seed, stream: UInt64(choice))
    return ScoredPrompt(
      tokens: prompt(of: choice).tokens, isScored: isScored, alternatives: request.alternatives ?? 0,
      next: request.most == 1 ? (sampling, random.unit()) : nil)
  }

  /// What is to be written token by token; `nil` if nothing is.
  func written(_ choice: Int) -> WritingTask? {
    guard request.most > 1 else { return nil }
    var task = WritingTask(prompt(of: choice).tokens, most: request.most, stops: request.stops)
    (task.sampling, task.alternatives) = (sampling, request.alternatives)
    task.random = SeededGenerator(seed: seed, stream: UInt64(choice))
    return task
  }
}
