import Checkpoints
import LanguageModels
import Tokenizers

/// The choices of an answer, told part by part. The parts of a choice together are the choice.
///
/// A part goes out as soon as its text is settled: not while it ends within a character or a run of tokens for single bytes, or
/// might be the beginning of a stop.
struct CompletionStream {
  private struct Choice {
    var told = ToldPart()
    /// The tokens of the last part; before the first those of the prompt.
    var context: [Int32]
    var isDone = false
  }

  private let prepared: PreparedCompletion
  private let document: CompletionDocument
  private let tokenizer: Tokenizer
  private var choices: [Choice]

  init(_ prepared: PreparedCompletion, _ document: CompletionDocument, _ tokenizer: Tokenizer) {
    (self.prepared, self.document, self.tokenizer) = (prepared, document, tokenizer)
    choices = prepared.choices.map { Choice(context: prepared.prompt(of: $0).tokens) }
  }

  /// The event of what is new in a choice, to which more will follow; `nil` if nothing can be told yet.
  mutating func event(of choice: Int, _ completed: CompletedPrompt) -> JSONValue? {
    let new = Array(completed.written.tokens[choices[choice].told.tokens...])
    // The tokens before are settled, so no character reaches across.
    let text = tokenizer.continuation(of: choices[choice].context, by: new)
    guard isSettled(text), new.last.map(tokenizer.isByte) != true, !text.isEmpty || prepared.request.alternatives != nil
    else { return nil }
    // Tokens without a text are no beginning, at which decoders drop a space.
    choices[choice].context = text.isEmpty ? choices[choice].context + new : new
    return document.event(document.part(of: choice, completed, &choices[choice].told, text: text))
  }

  /// The last event of a choice; `nil` if it was told already.
  mutating func lastEvent(of choice: Int, _ completed: CompletedPrompt) -> JSONValue? {
    if choices[choice].isDone { return nil }
    choices[choice].isDone = true
    return document.event(document.part(of: choice, completed, &choices[choice].told, upTo: completed.written))
  }

  private func isSettled(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    if scalars.last == "\u{FFFD}" { return false }
    return !prepared.request.stops.contains { stop in
      let stop = Array(stop.unicodeScalars)
      return (1..<max(1, min(stop.count, scalars.count + 1))).contains { scalars.suffix($0).elementsEqual(stop[..<$0]) }
    }
  }
}
