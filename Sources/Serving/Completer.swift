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
    let document: CompletionDocument
    /// One for each choice.
    var completed: [CompletedPrompt]
    /// `nil` where all choices are told at once.
    var stream: CompletionStream?
    /// Parts of the computation that are not done.
    var left = 0

    init(_ job: Job, _ prepared: PreparedCompletion, _ document: CompletionDocument, _ tokenizer: Tokenizer) {
      (self.job, self.prepared, self.document) = (job, prepared, document)
      completed = prepared.choices.map { _ in CompletedPrompt() }
      if prepared.request.isStreamed { stream = CompletionStream(prepared, document, tokenizer) }
    }
  }

  /// A part of the computation: one choice.
  private typealias Part = (running: Running, choice: Int)

  /// Answers every job, also by what is wrong with it, as soon as it can be answered.
  func answer(_ jobs: [Job]) {
    var all: [Running] = []
    for job in jobs {
      do throws(RequestProblem) {
        switch job.work {
        case .completion(let request):
          let prepared = try PreparedCompletion(request, model.configuration, tokenizer, limits)
          let document = CompletionDocument(
            prepared, TokenTexts(tokenizer: tokenizer), model: name,
            number: Self.answers.add(1, ordering: .relaxed).newValue)
          all.append(Running(job, prepared, document, tokenizer))
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
      for choice in running.prepared.choices {
        if let prompt = running.prepared.scored(choice) { scored.append(((running, choice), prompt)) }
        if let task = running.prepared.written(choice) { written.append(((running, choice), task)) }
      }
    }
    for ((running, _), _) in scored { running.left += 1 }
    for ((running, _), _) in written { running.left += 1 }
    for running in all where running.left == 0 { finish(running) }
    try scorer.score(
      scored.map(\.1), isWanted: { !scored[$0].0.running.job.isAbandoned },
      finished: { place, scores in
        let (running, choice) = scored[place].0
        for other in running.prepared.choices(scoredWith: choice) { running.completed[other].scores = scores.own }
        if let next = scores.next { running.completed[choice].written = text(next, of: running, choice) }
        partIsDone(running)
      })
    try writer.write(
      written.map(\.1), isWanted: { !written[$0].0.running.job.isAbandoned },
      wrote: { place, text in tell(text, of: written[place].0, isLast: false) },
      finished: { place, text in
        tell(text, of: written[place].0, isLast: true)
        partIsDone(written[place].0.running)
      })
  }

  /// The text of the one token that a pass over a prompt has given.
  private func text(_ next: TokenScores, of running: Running, _ choice: Int) -> WrittenText {
    let request = running.prepared.request
    var text = WrittenText(next, isTold: request.alternatives != nil)
    writer.finish(&text, behind: running.prepared.prompt(of: choice).tokens, stops: request.stops)
    return text
  }

  /// Keeps what was written of a choice, and sends what is new in it where it is streamed.
  private func tell(_ text: WrittenText, of part: Part, isLast: Bool) {
    let (running, choice) = part
    running.completed[choice].written = text
    if running.stream == nil { return }
    if text.scores.last?.logProbability.isNaN == true {
      running.job.abandon()
      return fail(running, Self.notFinite)
    }
    let completed = running.completed[choice]
    let event =
      isLast
      ? running.stream?.lastEvent(of: choice, completed) : running.stream?.event(of: choice, completed)
    if let event { running.job.send(event) }
  }

  private func partIsDone(_ running: Running) {
    running.left -= 1
    if running.left == 0 { finish(running) }
  }

  private static let answers = Atomic(0)
  private static let notFinite = "its logits are not finite"

  private func finish(_ running: Running) {
    let (completed, job) = (running.completed, running.job)
    let scores = completed.flatMap { $0.scores + $0.written.scores }
    guard scores.allSatisfy({ !$0.logProbability.isNaN }) else { return fail(running, Self.notFinite) }
    if running.stream == nil { return job.answer(Reply(running.document.json(completed))) }
    for choice in running.prepared.choices {
      if let event = running.stream?.lastEvent(of: choice, completed[choice]) { job.send(event) }
    }
    if running.prepared.request.tellsUsage { job.send(running.document.usageEvent(completed)) }
    job.endStream()
  }
}
