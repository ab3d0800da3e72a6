import Foundation

/// One mapped GGUF file: a whole model, or one part of a split one.
///
/// Format: `GGUF`, version, number of tensors, number of metadata entries, the entries (key, type, value), the tensors'
/// descriptions (name, dimensions from the innermost outwards, type, offset), padding, and the values, each tensor's
/// beginning at a multiple of `general.alignment`. Source: `docs/gguf.md` of the ggml project.
struct GGUFPart: GGUFMetadata, Sendable {
  let url: URL
  let version: Int
  /// In the order of the file.
  let keys: [String]
  let metadata: [String: GGUFValue]
  /// In the order of their values.
  let tensors: [Tensor]
  private let file: MappedFile

  var metadataFile: String { file.path }

  /// Maps the file and checks its header in full, and every tensor's range against the file.
  /// - Throws: `CheckpointError.unreadable`, `.malformed`, `.malformedTensor` or `.unsupportedType`.
  init(_ url: URL) throws {
    let file = try MappedFile(url)
    if let kind = FileKind(file.bytes), kind != .gguf {
      throw CheckpointError.otherKind(kind, path: file.path, expected: "a GGUF file")
    }
    var parser = GGUFParser(bytes: file.bytes, file: file.path)
    self.url = url
    self.file = file

    version = try Self.readVersion(&parser)
    // A description of a tensor takes at least 24 bytes, an entry of the metadata at least 13.
    let tensorCount = try parser.count("the number of tensors", minimumBytes: 24)
    let keyCount = try parser.count("the number of metadata entries", minimumBytes: 13)

    var keys: [String] = []
    var metadata: [String: GGUFValue] = [:]
    for number in 0..<keyCount {
      let key = try parser.string("metadata key \(number)")
      let value = try parser.value(key)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw parser.malformed("the metadata key '\(key)' is repeated")
      }
      keys.append(key)
    }
    self.keys = keys
    self.metadata = metadata
    tensors = try GGUFTensorTable(&parser, count: tensorCount, metadata["general.alignment"], file).tensors
  }

  private static func readVersion(_ parser: inout GGUFParser) throws -> Int {
    let magic = GGUFFile.magic
    let found = try parser.integer(UInt32.self, "the signature of a GGUF file")
    guard found == magic else {
      throw parser.malformed(
        "not a GGUF file: it begins with 0x\(String(found, radix: 16)), not 0x\(String(magic, radix: 16))")
    }
    let version = try parser.integer(UInt32.self, "the version")
    guard version & 0xFFFF != 0 else {
      throw parser.malformed(
        "a big-endian GGUF file (version \(version.byteSwapped)); only little-endian is supported: "
          + "'gguf-convert-endian FILE little' of the Python package gguf converts it")
    }
    guard version == 2 || version == 3 else {
      throw parser.malformed("GGUF version \(version); only versions 2 and 3 are supported")
    }
    return Int(version)
  }
}
