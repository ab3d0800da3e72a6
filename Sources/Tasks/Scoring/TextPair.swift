import LanguageModels
import Tokenizers

/// A text, and another one that may follow it.
public struct TextPair: Hashable, Sendable {
  public let context: String
  public let continuation: String

  public init(_ context: String, _ continuation: String) { (self.context, self.continuation) = (context, continuation) }
}

/// The tokens of a pair, as the model reads them.
public struct ScoredTokens: Hashable, Codable, Sendable {
  /// Context and continuation.
  public let tokens: [Int32]
  /// How many of the last of them are the continuation: at least one, and fewer than all.
  public let scored: Int

  /// What the model reads: nothing follows the last token.
  public var input: [Int32] { Array(tokens.dropLast()) }
  /// What it should say, token by token.
  var targets: ArraySlice<Int32> { tokens.suffix(scored) }
}

/// Turns pairs into tokens where the Language Model Evaluation Harness has its borders (0.4, `TemplateLM._encode_pair` and the model
/// `hf`).
///
/// White space at the end of the context belongs to the continuation. Whatever the tokens of both texts together have beyond as many
/// as the context alone has is the continuation, so a token may reach across the border. Special tokens are put around a text as the
/// tokenizer puts them, unless it begins with the text of one. A pair that is too long loses its beginning.
public struct PairEncoder: Sendable {
  private let tokenizer: Tokenizer
  /// Positions that the model may read.
  private let longest: Int
  /// What stands before a continuation without context: the token that begins a text, or else the one that ends it.
  private let first: Int32?
  private let firstText: String?

  /// - Parameter longest: number of positions that the model may read.
  public init(_ tokenizer: Tokenizer, longest: Int) {
    (self.tokenizer, self.longest) = (tokenizer, longest)
    first = tokenizer.bosToken ?? tokenizer.eosToken
    firstText = first.map { tokenizer.decode([$0], skipSpecialTokens: false) }
  }

  /// - Parameter place: what the pair belongs to, for the error.
  /// - Throws: `TaskError.unusable` if no token is left to be scored, more are than the model reads, or nothing stands before them.
  public func encode(_ pair: TextPair, place: String) throws -> ScoredTokens {
    let (context, continuation) = pair.context.isEmpty ? try alone(pair.continuation, place) : joined(pair)
    guard !continuation.isEmpty else {
      throw TaskError.unusable(place, "the continuation '\(pair.continuation)' adds no token to its context")
    }
    guard continuation.count <= longest else {
      throw TaskError.unusable(
        place, "a continuation of \(continuation.count) tokens is longer than the model's context of \(longest)")
    }
    let tokens = Array((context + continuation).suffix(longest + 1))
    guard tokens.count > continuation.count else {
      throw TaskError.unusable(place, "no token stands before '\(pair.continuation)'")
    }
    return ScoredTokens(tokens: tokens, scored: continuation.count)
  }

  /// The tokens of a prompt, of which a generation of so many tokens is to follow.
  func prompt(_ text: String, leaving room: Int, place: String) throws -> [Int32] {
    let tokens = Array(encode(text).suffix(max(0, longest - room)))
    guard !tokens.isEmpty else {
      throw TaskError.unusable(
        place, "the model's context of \(longest) leaves no room for a prompt and \(room) tokens behind it")
    }
    return tokens
  }

  private func encode(_ text: String) -> [Int32] {
    let hasFirst = firstText.map { !$0.isEmpty && text.utf8.starts(with: $0.utf8) } ?? false
    return tokenizer.encode(text, addSpecialTokens: !hasFirst)
  }

  private func joined(_ pair: TextPair) -> (context: [Int32], continuation: [Int32]) {
    let context = pair.context.trimmingEnd
    let moved = pair.context.unicodeScalars.dropFirst(context.unicodeScalars.count)
    let whole = encode(context + String(moved) + pair.continuation)
    let before = encode(context)
    return (before, Array(whole.dropFirst(before.count)))
  }

  private func alone(_ text: String, _ place: String) throws -> (context: [Int32], continuation: [Int32]) {
    let tokens = tokenizer.encode(text, addSpecialTokens: false)
    guard let first else {
      throw TaskError.unusable(place, "the context is empty, and the tokenizer has no token that begins or ends a text")
    }
    return tokens.first == first ? ([first], Array(tokens.dropFirst())) : ([first], tokens)
  }
}
