/// The errors of reading and writing checkpoints. Each case prints as one line that names the file, the tensor or key
/// if there is one, and the values that disagree.
public enum CheckpointError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The operating system refused to open, examine or map a file.
  case unreadable(path: String, reason: String)
  /// The operating system refused to create, write or rename a file.
  case unwritable(path: String, reason: String)
  /// The destination exists and may not be replaced.
  case alreadyExists(path: String)
  /// The file as a whole is damaged or of another format.
  case malformed(file: String, problem: String)
  /// One tensor's description is damaged or contradicts the file, or does not fit what the caller asked for.
  case malformedTensor(file: String, tensor: String, problem: String)
  /// A tensor's element type has no reader.
  case unsupportedType(file: String, tensor: String, type: String, supported: [String])
  /// No tensor has that name; `near` lists the most similar names.
  case missingTensor(file: String, tensor: String, near: [String])
  /// A metadata or configuration key is absent.
  case missingKey(file: String, key: String)
  /// A metadata or configuration value has another type than the caller asked for.
  case wrongType(file: String, key: String, expected: String, found: String)
  /// A finite value became infinite when it was narrowed for writing.
  case overflow(tensor: String, index: Int, value: Float, type: ElementType)
  /// The values to write contradict themselves or their plan.
  case invalidPlan(file: String, problem: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .unwritable(let path, let reason): "cannot write \(path): \(reason)"
    case .alreadyExists(let path): "cannot write \(path): it exists and is not empty"
    case .malformed(let file, let problem): "\(file): \(problem)"
    case .malformedTensor(let file, let tensor, let problem): "\(file): tensor '\(tensor)': \(problem)"
    case .unsupportedType(let file, let tensor, let type, let supported):
      "\(file): tensor '\(tensor)' has the unsupported type \(type) (supported: \(supported.joined(separator: ", ")))"
    case .missingTensor(let file, let tensor, let near):
      "\(file): no tensor '\(tensor)'" + (near.isEmpty ? "" : " (similar: \(near.joined(separator: ", ")))")
    case .missingKey(let file, let key): "\(file): the key '\(key)' is missing"
    case .wrongType(let file, let key, let expected, let found):
      "\(file): the key '\(key)' should be \(expected) but is \(found)"
    case .overflow(let tensor, let index, let value, let type):
      "tensor '\(tensor)': element \(index) is \(value), too large for \(type.name)"
    case .invalidPlan(let file, let problem): "cannot write \(file): \(problem)"
    }
  }
}
