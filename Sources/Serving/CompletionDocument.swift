import Checkpoints
import Foundation
import LanguageModels

/// What was computed for a prompt.
struct CompletedPrompt: Sendable {
  /// Of the prompt's tokens but the first; empty where they are not told.
  var scores: [TokenScores] = []
  var written = WrittenText()
}

/// An answer in the form of the protocol.
struct CompletionDocument {
  private let prepared: PreparedCompletion
  private let texts: TokenTexts
  private var request: CompletionRequest { prepared.request }

  init(_ prepared: PreparedCompletion, _ texts: TokenTexts) { (self.prepared, self.texts) = (prepared, texts) }

  /// - Parameters:
  ///   - completed: one for each prompt.
  ///   - number: number of the answer.
  func json(_ completed: [CompletedPrompt], model: String, number: Int) -> JSONValue {
    let asked = prepared.prompts.reduce(0) { $0 + $1.tokens.count }
    let written = completed.reduce(0) { $0 + $1.written.tokens.count }
    return [
      "id": .string("cmpl-\(number)"), "object": "text_completion", "model": .string(model),
      "created": .integer(Int(Date().timeIntervalSince1970)),
      "choices": .array(completed.indices.map { choice($0, completed[$0]) }),
      "usage": [
        "prompt_tokens": .integer(asked), "completion_tokens": .integer(written),
        "total_tokens": .integer(asked + written),
      ],
    ]
  }

  private func choice(_ index: Int, _ completed: CompletedPrompt) -> JSONValue {
    let prompt = prepared.prompts[index]
    return [
      "index": .integer(index), "text": .string((request.repeatsPrompt ? prompt.text : "") + completed.written.text),
      "finish_reason": completed.written.isStopped ? "stop" : "length",
      "logprobs": request.alternatives == nil ? .null : logProbabilities(prompt, completed),
    ]
  }

  private func logProbabilities(_ prompt: PreparedCompletion.Prompt, _ completed: CompletedPrompt) -> JSONValue {
    let repeated = request.repeatsPrompt ? prompt.tokens : []
    let start = request.repeatsPrompt ? prompt.text.unicodeScalars.count : 0
    let end = start + completed.written.text.unicodeScalars.count
    // Nothing is said of the first token: nothing stands before it.
    let unknown: [JSONValue] = repeated.isEmpty ? [] : [.null]
    let scores = completed.scores + completed.written.scores
    let offsets =
      texts.offsets(of: repeated, from: 0, hidden: prompt.hidden, isBeginning: true, end: start)
      + texts.offsets(of: completed.written.tokens, from: start, hidden: 0, isBeginning: false, end: end)
    return [
      "tokens": .array((repeated + completed.written.tokens).map { .string(texts.text(of: $0)) }),
      "token_logprobs": .array(unknown + scores.map { .number($0.logProbability) }),
      "top_logprobs": .array(unknown + scores.map(alternatives)), "text_offset": .integers(offsets),
    ]
  }

  /// The likely tokens of a place by their texts, and the token itself. Of tokens with one text the most likely counts.
  private func alternatives(_ score: TokenScores) -> JSONValue {
    var members = score.alternatives.map { (text: texts.text(of: $0.token), value: $0.logProbability) }
    if !score.alternatives.contains(where: { $0.token == score.token }) {
      members.append((texts.text(of: score.token), score.logProbability))
    }
    var kept: [JSONMember] = []
    for member in members where !kept.contains(where: { $0.key.utf8.elementsEqual(member.text.utf8) }) {
      kept.append(JSONMember(key: member.text, value: .number(member.value)))
    }
    return .members(kept)
  }
}
