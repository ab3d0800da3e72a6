/// What is wrong with a JSON document, for the person who wrote it.
enum DecodingWords {
  static func text(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context): "'\(place(context.codingPath + [key]))' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      "'\(place(context.codingPath))' has a value of another kind"
    @unknown default: "it cannot be read"
    }
  }
}
