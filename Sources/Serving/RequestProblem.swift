import Checkpoints

/// Why a request is not answered, in the protocol's words.
public struct RequestProblem: Error, Equatable, Sendable, CustomStringConvertible {
  /// Kinds of problems, and their names in the protocol.
  public enum Kind: String, Sendable {
    case invalid = "invalid_request_error"
    case notFound = "not_found_error"
    case unavailable = "service_unavailable"
    case server = "server_error"
  }

  /// Status of HTTP.
  public let status: Int
  public let kind: Kind
  public let message: String
  /// The field of the request that is wrong, if one is.
  public let field: String?
  /// A word for programs, such as `model_not_found`.
  public let code: String?

  init(_ status: Int, _ kind: Kind = .invalid, _ message: String, field: String? = nil, code: String? = nil) {
    (self.status, self.kind, self.message, self.field, self.code) = (status, kind, message, field, code)
  }

  static func invalid(_ field: String?, _ message: String) -> RequestProblem {
    RequestProblem(400, .invalid, message, field: field)
  }

  static func unavailable(_ message: String, code: String) -> RequestProblem {
    RequestProblem(503, .unavailable, message, code: code)
  }

  public var description: String { message }

  var body: JSONValue {
    func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    return [
      "error": [
        "message": .string(message), "type": .string(kind.rawValue), "param": text(field), "code": text(code),
      ]
    ]
  }
}
