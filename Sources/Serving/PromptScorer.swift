import LanguageModels
import LinearAlgebra
import Synchronization

/// A prompt whose tokens are to be scored, or of which the next token is wanted.
struct ScoredPrompt: Sendable {
  let tokens: [Int32]
  /// Whether its tokens, but for the first, get scores.
  let isScored: Bool
  let alternatives: Int
  /// How the token behind it is drawn, and the number that draws it; `nil` where none is wanted.
  let next: (sampling: Sampling, uniform: Double)?
}

/// The scores of prompts of any lengths. What prompts have in common is computed once, and nothing is padded.
struct PromptScorer<Model: Network>: Sendable {
  struct Scores: Sendable {
    /// Of all tokens but the first.
    var own: [TokenScores] = []
    /// Of the token behind the prompt.
    var next: TokenScores?
  }

  private let model: Model
  private let head: any EngineHead

  init(_ model: Model) {
    self.model = model
    head = model.outputHead(.single)
  }

  /// - Parameters:
  ///   - isWanted: asked before prompts are computed whether one of them is still wanted; what nobody wants is never finished.
  ///   - finished: gets the scores of each prompt as soon as they are there, in any order.
  func score(
    _ prompts: [ScoredPrompt], isWanted: (_ prompt: Int) -> Bool = { _ in true },
    finished: (_ prompt: Int, Scores) throws -> Void
  ) throws {
    for batch in TokenTrees.batches(of: prompts.map(\.tokens), for: model.configuration)
    where batch.members.contains(where: isWanted) {
      let found = try score(batch, prompts)
      for (member, scores) in zip(batch.members, found) { try finished(member, scores) }
    }
  }

  /// A row of hidden states, and what its logits are wanted for.
  private struct Place: Sendable {
    let prompt: ScoredPrompt
    /// The token of the prompt that it is followed by; `nil` for the last.
    let target: Int32?
  }

  private func score(_ batch: TokenTrees, _ prompts: [ScoredPrompt]) throws -> [Scores] {
    var (rows, places) = ([Int](), [Place]())
    for (number, member) in batch.members.enumerated() {
      let (prompt, own) = (prompts[member], batch.rows(of: number))
      if prompt.isScored {
        rows += own.dropLast()
        places += prompt.tokens.dropFirst().map { Place(prompt: prompt, target: $0) }
      }
      if prompt.next != nil {
        rows += own.suffix(1)
        places.append(Place(prompt: prompt, target: nil))
      }
    }
    let found = Mutex([TokenScores?](repeating: nil, count: rows.count))
    let (asked, vocabulary) = (places, model.head.rows)
    if !rows.isEmpty {
      try head.forEachBlock(batch.hiddenStates(of: model, rows: rows)) { block, logits in
        for (row, number) in block.enumerated() {
          let scores = Self.scores(asked[number], logits.row(row), count: vocabulary)
          found.withLock { $0[number] = scores }
        }
      }
    }
    var left = found.withLock { $0 }[...]
    return batch.members.map { member in
      let prompt = prompts[member]
      var scores = Scores()
      if prompt.isScored {
        scores.own = left.prefix(prompt.tokens.count - 1).compactMap { $0 }
        left = left.dropFirst(prompt.tokens.count - 1)
      }
      if prompt.next != nil { scores.next = left.popFirst() ?? nil }
      return scores
    }
  }

  private static func scores(_ place: Place, _ logits: UnsafeMutablePointer<Float>, count: Int) -> TokenScores {
    let next = place.prompt.next
    let token = place.target ?? next?.sampling.token(logits, count: count, uniform: next?.uniform ?? 0) ?? 0
    return TokenScores(of: token, logits: logits, count: count, alternatives: place.prompt.alternatives)
  }
}
