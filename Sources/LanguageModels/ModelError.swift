/// What is wrong with a model, in words that name the file and both values.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  case notAModel(path: String)
  case unsupportedArchitecture(file: String, found: String, supported: String)
  case unsupportedFeature(file: String, feature: String)
  case invalidConfiguration(file: String, problem: String)
  /// Two keys that mean the same thing and do not say the same.
  case contradiction(file: String, first: String, String, second: String, String)
  /// A tensor that is stored and that nothing reads; `others` are as many more.
  case unusedTensor(file: String, tensor: String, others: Int, meaning: String?)
  /// Weights in a form that is not read; `advice` says what to do.
  case quantised(file: String, form: String, advice: String)
  /// A folder or file that holds something else than a model.
  case otherContent(path: String, found: String, advice: String)
  case wrongShape(file: String, tensor: String, found: [Int], expected: [Int])
  case notFinite(file: String, tensor: String, index: Int, value: Float)
  case tokenOutOfRange(token: Int, vocabulary: Int)
  /// A text holds a token for which the embedding has no row.
  case tokenWithoutRow(text: String, token: String, id: Int, rows: Int)
  case scratch(folder: String, problem: String)

  public var description: String {
    switch self {
    case .notAModel(let path):
      "\(path) is neither a GGUF file nor a folder with config.json and safetensors"
    case .unsupportedArchitecture(let file, let found, let supported):
      "\(file): architecture '\(found)' is not supported (supported: \(supported))"
    case .unsupportedFeature(let file, let feature):
      "\(file): \(feature) is not supported"
    case .invalidConfiguration(let file, let problem):
      "\(file): \(problem)"
    case .contradiction(let file, let first, let value, let second, let other):
      "\(file): \(first) is \(value), but \(second) is \(other): take out the one that is wrong"
    case .unusedTensor(let file, let tensor, let others, let meaning):
      "\(file): tensor '\(tensor)'" + (others > 0 ? " and \(others) more are" : " is")
        + " stored, but the configuration has no use for \(others > 0 ? "them" : "it")"
        + (meaning.map { ": \($0)" } ?? "")
    case .quantised(let file, let form, let advice):
      "\(file): the weights are quantised (\(form)), which is not read: \(advice)"
    case .otherContent(let path, let found, let advice):
      "\(path) holds \(found), not a model in a form that is read: \(advice)"
    case .wrongShape(let file, let tensor, let found, let expected):
      "\(file): tensor '\(tensor)' has shape \(found), the configuration says \(expected)"
    case .notFinite(let file, let tensor, let index, let value):
      "\(file): tensor '\(tensor)' holds \(value) at element \(index)"
    case .tokenOutOfRange(let token, let vocabulary):
      "token \(token) is outside the model's vocabulary of \(vocabulary)"
    case .tokenWithoutRow(let text, let token, let id, let rows):
      "\(text): it holds the token '\(token)' with id \(id), but the model's embedding has only \(rows) rows"
    case .scratch(let folder, let problem):
      "\(folder): cannot keep activations on disk here: \(problem)"
    }
  }
}
