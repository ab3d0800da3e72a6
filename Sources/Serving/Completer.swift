import Checkpoints
import LanguageModels
import Synchronization
import Tokenizers

/// Answers jobs with a model.
struct Completer: Sendable {
  private let model: LanguageModel
  private let name: String
  private let tokenizer: Tokenizer
  private let limits: ServingLimits
  private let scorer: PromptScorer<LanguageModel>
  private let writer: TextWriter<LanguageModel>

  init(_ model: LanguageModel, _ tokenizer: Tokenizer, name: String, _ limits: ServingLimits) {
    (self.model, self.tokenizer, self.name, self.limits) = (model, tokenizer, name, limits)
    scorer = PromptScorer(model)
    let ends = Set(model.configuration.eosTokens + (tokenizer.eosToken.map { [$0] } ?? []))
    writer = TextWriter(model, tokenizer, ends: ends, reading: .behindPrompt)
  }

  /// A completion that is being computed.
  private final class Running {
    let job: Job
    let prepared: PreparedCompletion
    var completed: [CompletedPrompt]
    /// Parts of the computation that are not done.
    var left = 0

    init(_ job: Job, _ prepared: PreparedCompletion) {
      (self.job, self.prepared) = (job, prepared)
      completed = prepared.prompts.map { _ in CompletedPrompt() }
    }
  }

  /// A part of the computation: one prompt.
  private typealias Part = (running: Running, number: Int)

  /// Answers every job, also by what is wrong with it, as soon as it can be answered.
  func answer(_ jobs: [Job]) {
    var all: [Running] = []
    for job in jobs {
      do throws(RequestProblem) {
        switch job.work {
        case .completion(let request):
          all.append(Running(job, try PreparedCompletion(request, model.configuration, tokenizer, limits)))
        case .tokens(let text, let addSpecialTokens):
          let tokens = tokenizer.encode(text, addSpecialTokens: addSpecialTokens)
          job.answer(
            Reply([
              "tokens": .integers(tokens.map { Int($0) }), "count": .integer(tokens.count),
              "max_model_len": .integer(model.configuration.longestContext),
            ]))
        case .text(let tokens):
          job.answer(Reply(["prompt": .string(tokenizer.decode(tokens, skipSpecialTokens: false))]))
        }
      } catch {
        job.answer(Reply(error, retrySeconds: limits.retrySeconds))
      }
    }
    do {
      try compute(all)
    } catch {
      for running in all { fail(running, "\(error)") }
    }
  }

  private func fail(_ running: Running, _ problem: String) {
    running.job.answer(Reply(RequestProblem(500, .server, "the model could not be computed: \(problem)")))
  }

  private func compute(_ all: [Running]) throws {
    var (scored, written) = ([(Part, ScoredPrompt)](), [(Part, WritingTask)]())
    for running in all {
      for number in running.prepared.prompts.indices {
        if let prompt = running.prepared.scored(number) { scored.append(((running, number), prompt)) }
        if let task = running.prepared.written(number) { written.append(((running, number), task)) }
      }
    }
    for ((running, _), _) in scored { running.left += 1 }
    for ((running, _), _) in written { running.left += 1 }
    for running in all where running.left == 0 { finish(running) }
    try scorer.score(
      scored.map(\.1), isWanted: { !scored[$0].0.running.job.isAbandoned },
      finished: { place, scores in
        let (running, number) = scored[place].0
        running.completed[number].scores = scores.own
        if let next = scores.next { running.completed[number].written = text(next, of: running, number) }
        partIsDone(running)
      })
    try writer.write(
      written.map(\.1), isWanted: { !written[$0].0.running.job.isAbandoned },
      finished: { place, text in
        let (running, number) = written[place].0
        running.completed[number].written = text
        partIsDone(running)
      })
  }

  /// The text of the one token that a pass over a prompt has given.
  private func text(_ next: TokenScores, of running: Running, _ number: Int) -> WrittenText {
    let request = running.prepared.request
    var text = WrittenText(next, isTold: request.alternatives != nil)
    writer.finish(&text, behind: running.prepared.prompts[number].tokens, stops: request.stops)
    return text
  }

  private func partIsDone(_ running: Running) {
    running.left -= 1
    if running.left == 0 { finish(running) }
  }

  private static let answers = Atomic(0)

  private func finish(_ running: Running) {
    let scores = running.completed.flatMap { $0.scores + $0.written.scores }
    guard scores.allSatisfy({ !$0.logProbability.isNaN }) else { return fail(running, "its logits are not finite") }
    let number = Self.answers.add(1, ordering: .relaxed).newValue
    let document = CompletionDocument(running.prepared, TokenTexts(tokenizer: tokenizer))
    running.job.answer(Reply(document.json(running.completed, model: name, number: number)))
  }
}
