import Foundation

/// How values of this program are written as JSON and read back: keys in `snake_case`, sorted, so that equal values
/// have equal text.
public enum StoredJSON {
  public static func encoder(indented: Bool = false) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if indented { encoder.outputFormatting.insert(.prettyPrinted) }
    return encoder
  }

  public static func decoder() -> JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  /// A document that says what it is: its keys, with `schema` and `version` beside them.
  public static func document(
    _ content: some Encodable, schema: String, version: Int = 1, indented: Bool = true
  ) throws -> Data {
    try encoder(indented: indented).encode(
      Document(content: content, schema: "nas-search.\(schema)", version: version))
  }

  private struct Document<Content: Encodable>: Encodable {
    let content: Content
    let schema: String
    let version: Int

    private enum Key: String, CodingKey { case schema, version }

    func encode(to encoder: any Encoder) throws {
      try content.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(schema, forKey: .schema)
      try container.encode(version, forKey: .version)
    }
  }
}
