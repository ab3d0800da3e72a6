import Checkpoints
import Foundation

/// JSON in the form of attributes: compact text with sorted keys in `snake_case`.
public enum JSONText {
  /// - Throws: `StudyError.invalidJSON` for values that JSON cannot express, such as a NaN.
  public static func encode(_ value: some Encodable, key: String = "") throws(StudyError) -> String {
    do {
      return String(decoding: try StoredJSON.encoder().encode(value), as: UTF8.self)
    } catch {
      throw .invalidJSON(key: key)
    }
  }

  /// - Throws: `StudyError.invalidJSON` if the text is not JSON or does not describe a `Value`.
  public static func decode<Value: Decodable>(
    _ type: Value.Type, from text: String, key: String = ""
  ) throws(StudyError) -> Value {
    do {
      return try StoredJSON.decoder().decode(type, from: Data(text.utf8))
    } catch {
      throw .invalidJSON(key: key)
    }
  }

  /// - Throws: `StudyError.invalidJSON` with the first attribute whose value is not JSON.
  static func check(_ attributes: [String: String]) throws(StudyError) {
    for (key, text) in attributes.sorted(by: { $0.key < $1.key }) {
      do {
        _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
      } catch {
        throw .invalidJSON(key: key)
      }
    }
  }
}
