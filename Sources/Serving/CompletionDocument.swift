import Checkpoints
import Foundation
import LanguageModels

/// What was computed for a choice of an answer.
struct CompletedPrompt: Sendable {
  /// Of the prompt's tokens but the first; empty where they are not told.
  var scores: [TokenScores] = []
  var written = WrittenText()
}

/// An answer in the form of the protocol.
struct CompletionDocument {
  /// What all parts of an answer have in common.
  private let head: [String: JSONValue]
  private let prepared: PreparedCompletion
  private let texts: TokenTexts
  private var request: CompletionRequest { prepared.request }

  /// - Parameter number: number of the answer.
  init(_ prepared: PreparedCompletion, _ texts: TokenTexts, model: String, number: Int) {
    (self.prepared, self.texts) = (prepared, texts)
    head = [
      "id": .string("cmpl-\(number)"), "object": "text_completion", "model": .string(model),
      "created": .integer(Int(Date().timeIntervalSince1970)),
    ]
  }

  /// - Parameter completed: one for each choice.
  func json(_ completed: [CompletedPrompt]) -> JSONValue {
    var document = head
    document["choices"] = .array(
      completed.indices.map { choice in
        var told = ToldPart()
        return part(of: choice, completed[choice], &told, upTo: completed[choice].written)
      })
    document["usage"] = usage(completed)
    return .object(document)
  }

  /// An event of a stream with a part of a choice.
  func event(_ part: JSONValue) -> JSONValue {
    var document = head
    document["choices"] = [part]
    if request.tellsUsage { document["usage"] = .null }
    return .object(document)
  }

  /// The last event of a stream that tells of its tokens.
  func usageEvent(_ completed: [CompletedPrompt]) -> JSONValue {
    var document = head
    (document["choices"], document["usage"]) = ([], usage(completed))
    return .object(document)
  }

  private func usage(_ completed: [CompletedPrompt]) -> JSONValue {
    let asked = prepared.prompts.reduce(0) { $0 + $1.tokens.count }
    let written = completed.reduce(0) { $0 + $1.written.tokens.count }
    return [
      "prompt_tokens": .integer(asked), "completion_tokens": .integer(written),
      "total_tokens": .integer(asked + written),
    ]
  }

  /// What follows what was told of a choice.
  ///
  /// - Parameters:
  ///   - told: what was told so far; afterwards, with what is told now.
  ///   - end: the whole choice; `nil` where more of it will follow.
  ///   - text: text that was written, beyond what was told; with `end` it is the rest of that text.
  func part(
    of choice: Int, _ completed: CompletedPrompt, _ told: inout ToldPart, text: String = "",
    upTo end: WrittenText? = nil
  ) -> JSONValue {
    let prompt = prepared.prompt(of: choice)
    let begins = told.isNothing && request.repeatsPrompt
    let text = end.map { String(String.UnicodeScalarView($0.text.unicodeScalars.dropFirst(told.scalars))) } ?? text
    let before = told
    told.isNothing = false
    told.scalars += text.unicodeScalars.count
    told.tokens = completed.written.tokens.count
    return [
      "index": .integer(choice), "text": .string((begins ? prompt.text : "") + text),
      "finish_reason": end.map { .string($0.isStopped ? "stop" : "length") } ?? .null,
      "logprobs": request.alternatives == nil
        ? .null : logProbabilities(prompt, completed, from: before, to: &told, begins: begins),
    ]
  }

  private func logProbabilities(
    _ prompt: PreparedCompletion.Prompt, _ completed: CompletedPrompt, from before: ToldPart, to told: inout ToldPart,
    begins: Bool
  ) -> JSONValue {
    let repeated = begins ? prompt.tokens : []
    let start = request.repeatsPrompt ? prompt.text.unicodeScalars.count : 0
    // Nothing is said of the first token: nothing stands before it.
    let unknown: [JSONValue] = repeated.isEmpty ? [] : [.null]
    let written = Array(completed.written.tokens[before.tokens...])
    let scores = (begins ? completed.scores : []) + completed.written.scores[before.tokens...]
    var first = 0
    var offsets = texts.offsets(
      of: repeated, at: &first, from: 0, hidden: prompt.hidden, isBeginning: true, end: start)
    var place = start + before.place
    offsets += texts.offsets(of: written, at: &place, from: start, skipsSpecial: true, end: start + told.scalars)
    told.place = place - start
    return [
      "tokens": .array((repeated + written).map { .string(texts.text(of: $0)) }),
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

/// What a client was told of a choice so far.
struct ToldPart: Sendable {
  var isNothing = true
  /// Tokens that were written.
  var tokens = 0
  /// Code points of their text.
  var scalars = 0
  /// Code points that their bytes make.
  var place = 0
}
