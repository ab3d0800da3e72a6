import Checkpoints
import Foundation

extension FuzzedReader {
  /// The JSON of configurations and safetensors headers, in both dialects.
  static let json = FuzzedReader(
    "json", .text, isRefusal: { $0 is CheckpointError },
    read: { input in
      for dialect in [JSONValue.Dialect.python, .strict] {
        let value = try input.withUnsafeBytes { try JSONValue.parse($0, file: "input", dialect: dialect) }
        let again = try JSONValue.parse(value.text(indented: false), file: "again", dialect: dialect)
        // Numbers that JSON has no words for are written as null.
        let indented = try JSONValue.parse(again.text(), file: "again", dialect: dialect)
        try Violation.require(dialect == .python || again == value, "written and read again it is another value")
        try Violation.require(indented == again, "indented and read again it is another value")
      }
    })

  /// The JSON of tokenizers, which keeps the order of members.
  static let tokenizerJSON = FuzzedReader(
    "tokenizer-json", .text, words: "json", isRefusal: { $0 is CheckpointError },
    read: { input in
      let value = try input.withUnsafeBytes { try JSONValue.parse($0, file: "input", dialect: .ordered) }
      let written = value.compact
      let again = try JSONValue.parse(written, file: "again", dialect: .ordered).compact
      try Violation.require(again == written, "written and read again it is another value")
    })
}
