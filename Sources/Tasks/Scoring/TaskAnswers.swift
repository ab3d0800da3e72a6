import LanguageModels
import Runtime
import Tokenizers

/// Asks a model the questions of items.
public struct TaskExaminer<Model: Network>: Sendable {
  private let model: Model
  private let tokenizer: Tokenizer
  private let encoder: PairEncoder
  private let scorer: ContinuationScorer<Model>

  public init(_ model: Model, _ tokenizer: Tokenizer) {
    (self.model, self.tokenizer) = (model, tokenizer)
    encoder = PairEncoder(tokenizer, longest: model.configuration.longestContext)
    scorer = ContinuationScorer(model)
  }

  /// The answers, one for each item.
  ///
  /// - Parameter stage: stage of which the monitor hears.
  /// - Throws: `TaskError.unusable` for an item that is no question to this model, or to which its answer is no number.
  public func answers(to items: [TaskItem], of stage: Monitor.Stage, _ monitor: Monitor = .silent) throws
    -> [TaskAnswer]
  {
    let pairs = try items.flatMap { item in try item.pairs.map { try encoder.encode($0, place: item.place) } }
    let likelihoods = try scorer.score(pairs, of: stage, monitor)
    let texts = try written(items, of: stage, monitor)
    var next = 0
    return try items.enumerated().map { number, item in
      if let text = texts[number] { return .text(text) }
      let own = Array(likelihoods[next..<next + item.pairs.count])
      next += own.count
      guard own.allSatisfy(\.sum.isFinite) else {
        throw TaskError.unusable(item.place, "the model's logits are not finite here")
      }
      return .likelihoods(own)
    }
  }

  /// What the model writes to items that ask for it, by their numbers.
  private func written(_ items: [TaskItem], of stage: Monitor.Stage, _ monitor: Monitor) throws -> [Int: String] {
    var numbers: [Int] = []
    var tasks: [WritingTask] = []
    for (number, item) in items.enumerated() {
      guard case .generation(let question) = item.question else { continue }
      let prompt = try encoder.prompt(question.prompt, leaving: question.most, place: item.place)
      numbers.append(number)
      tasks.append(WritingTask(prompt, most: question.most, stops: question.stops))
    }
    if tasks.isEmpty { return [:] }
    let ends = Set(tokenizer.eosToken.map { [$0] } ?? [])
    var texts: [Int: String] = [:]
    try TextWriter(model, tokenizer, ends: ends, reading: .alone).write(
      tasks, checkpoint: { try monitor.advance(stage, $0, of: tasks.count) },
      finished: { texts[numbers[$0]] = $1.text })
    return texts
  }
}
