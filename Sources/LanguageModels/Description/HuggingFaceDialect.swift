import Checkpoints

/// A form of a family's folders with its own names of keys and tensors, for the same network.
public struct HuggingFaceDialect: Sendable {
  /// Entries of `architectures`, and values of `model_type`.
  let architectures: [String]
  let modelTypes: [String]
  /// The names of keys by those that the family has.
  let keys: [String: String]
  let names: TensorNames
  /// Checks what only such files say.
  ///
  /// - Returns: values of keys in place of those of the file.
  let values: @Sendable (HuggingFaceConfig) throws -> [String: JSONValue]

  /// The file as if it had the family's keys. Errors name those that it has.
  func read(_ config: HuggingFaceConfig) throws -> HuggingFaceConfig {
    config.reading(keys, values: try values(config))
  }
}

extension Family {
  /// The dialect that a `config.json` is in; `nil` for the family's own keys.
  func dialect(of config: HuggingFaceConfig) throws -> HuggingFaceDialect? {
    let type = try config.stringIfPresent("model_type")
    let architectures = try config.stringsIfPresent("architectures") ?? []
    return dialects.first { dialect in
      type.map(dialect.modelTypes.contains) ?? architectures.contains(where: dialect.architectures.contains)
    }
  }
}
