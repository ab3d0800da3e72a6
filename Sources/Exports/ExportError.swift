import Checkpoints

/// The reason why a network was not exported. Every case prints as one line; none leaves anything behind.
public enum ExportError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The format, or its loaders, cannot express the network; `rule` names the loader's rule.
  case notExpressible(format: ExportFormat, rule: String)
  /// The format cannot hold weights of the type.
  case unsupportedType(WeightType, format: ExportFormat)
  /// The network handed out a tensor that contradicts its configuration.
  case wrongShape(tensor: String, found: [Int], expected: [Int])
  /// A bias exists that the configuration does not name, or the reverse.
  case biasMismatch(tensor: String, present: Bool)
  /// A weight is NaN or infinite.
  case notFinite(tensor: String, index: Int, value: Float)
  /// A verification token is outside the vocabulary, or there are no tokens.
  case invalidTokens(problem: String)
  /// The parent's `generation_config.json` is not a JSON object.
  case invalidGenerationConfig(path: String, problem: String)
  /// The written checkpoint could not be opened again.
  case unreadable(path: String, reason: String)
  /// A tensor was read back with other values than were written.
  case differentTensor(path: String, tensor: String, index: Int, found: Float, expected: Float)
  /// The configuration was read back different.
  case differentConfiguration(path: String, property: String, found: String, expected: String)
  /// The logits of the written checkpoint differ too much from those of the network.
  case differentLogits(path: String, figure: String, found: Double, limit: Double)
  /// No model shape of that name.
  case unknownShape(name: String, known: [String])
  /// Numbers that are not a model.
  case invalidShape(problem: String)

  public var description: String {
    switch self {
    case .notExpressible(let format, let rule):
      "this network cannot be exported as \(format.title): \(rule)"
    case .unsupportedType(let type, let format):
      "\(format.title) cannot hold weights of type \(type.rawValue), only \(WeightType.plain.map(\.rawValue).joined(separator: ", ")); "
        + "GGUF can"
    case .wrongShape(let tensor, let found, let expected):
      "tensor '\(tensor)' has shape \(found), the configuration says \(expected)"
    case .biasMismatch(let tensor, let present):
      present
        ? "tensor '\(tensor)' is there, but the configuration has no such bias"
        : "tensor '\(tensor)' is missing, but the configuration has such a bias"
    case .notFinite(let tensor, let index, let value):
      "tensor '\(tensor)' holds \(value) at element \(index)"
    case .invalidTokens(let problem):
      "the tokens for the verification of an export: \(problem)"
    case .invalidGenerationConfig(let path, let problem):
      "\(path): \(problem)"
    case .unreadable(let path, let reason):
      "\(path) was not written, because it could not be opened again: \(reason)"
    case .differentTensor(let path, let tensor, let index, let found, let expected):
      "\(path) was not written: tensor '\(tensor)' came back with \(found) at element \(index), not \(expected)"
    case .differentConfiguration(let path, let property, let found, let expected):
      "\(path) was not written: its \(property) came back as \(found), not \(expected)"
    case .unknownShape(let name, let known):
      "no model shape '\(name)' (known: \(known.joined(separator: ", ")))"
    case .invalidShape(let problem): "no such model: \(problem)"
    case .differentLogits(let path, let figure, let found, let limit):
      "\(path) was not written: the \(figure) of its logits is \(found), more than \(limit)"
        + (figure == LogitComparison.relative
          ? "; the network amplifies the rounding to 16 bits (a broken one does), f32 keeps it as it is" : "")
    }
  }
}
