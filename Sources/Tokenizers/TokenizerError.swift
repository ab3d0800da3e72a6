import Foundation

/// Why a tokenizer could not be read, built or written. Every case prints as one line that names the file (or
/// "GGUF metadata"), the component, and what was expected in its place.
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The folder holds no such file. `advice` tells the user a remedy.
  case missingFile(path: String, advice: String? = nil)
  /// A GGUF file that says so holds no tokenizer. `model` is what it says.
  case noTokenizer(path: String, model: String)
  /// The file is there but could not be read.
  case unreadableFile(path: String, reason: String)
  /// A field is absent or of the wrong kind. `field` is its path, such as `model.vocab`.
  case invalidField(file: String, field: String, expected: String)
  /// A component that this module does not implement.
  case unsupported(file: String, component: String, found: String, supported: [String])
  /// The vocabulary contradicts itself: duplicates, ids out of range.
  case invalidVocabulary(file: String, reason: String)
  /// Merge number `index` (from 0) cannot be used.
  case invalidMerge(file: String, index: Int, reason: String)
  /// The tokenizer has no exact counterpart in GGUF.
  case notExpressible(reason: String)
  /// More tokens have to stay than a smaller vocabulary may have.
  case tooFewTokens(wanted: Int, needed: Int)
  /// A token is dropped that a part of the tokenizer names.
  case droppedToken(id: Int32, place: String)

  public var description: String {
    switch self {
    case .missingFile(let path, let advice): "\(path): no such file" + (advice.map { "; \($0)" } ?? "")
    case .noTokenizer(let path, let model):
      "\(path): the file holds no tokenizer: its tokenizer.ggml.model is '\(model)'"
    case .unreadableFile(let path, let reason): "\(path): cannot be read: \(reason)"
    case .invalidField(let file, let field, let expected): "\(file): \(field): expected \(expected)"
    case .unsupported(let file, let component, let found, let supported):
      "\(file): unsupported \(component) \(found) (supported: \(supported.joined(separator: ", ")))"
    case .invalidVocabulary(let file, let reason): "\(file): invalid vocabulary: \(reason)"
    case .invalidMerge(let file, let index, let reason): "\(file): merge \(index): \(reason)"
    case .notExpressible(let reason): "this tokenizer cannot be written as a GGUF tokenizer: \(reason)"
    case .tooFewTokens(let wanted, let needed):
      "a vocabulary of \(wanted) tokens is too small: \(needed) have to stay (bytes, special and added tokens, and what the "
        + "chat template writes)"
    case .droppedToken(let id, let place): "\(place) names token \(id), which is not kept"
    }
  }
}
