import Foundation

/// One mapped safetensors file.
///
/// Format: eight bytes n (little endian), n bytes of JSON, then the values. The JSON object maps each tensor's name to
/// `dtype`, `shape` and `data_offsets` (begin and end, counted from the end of the header), and `__metadata__` to an
/// object of strings. The tensors cover the rest of the file without gap or overlap.
/// Source: the format section of the safetensors project's README.
public struct SafetensorsFile: Checkpoint {
  public let location: URL
  public let tensorNames: [String]
  public let metadata: [String: String]
  public let tensors: [String: Tensor]

  /// The reference implementation's limit for the header.
  static let maximumHeaderBytes = 100_000_000

  /// Maps the file and checks its header in full, and every tensor's range against the file.
  /// - Throws: `CheckpointError.unreadable`, `.malformed`, `.malformedTensor` or `.unsupportedType`.
  public init(_ url: URL) throws {
    let file = try MappedFile(url)
    let header = try SafetensorsHeader(file)
    location = url
    metadata = header.metadata
    tensorNames = header.tensors.map(\.name)
    tensors = Dictionary(header.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
  }
}

/// The checked header of a safetensors file.
private struct SafetensorsHeader {
  var metadata: [String: String] = [:]
  /// In the order of their values.
  var tensors: [Tensor] = []

  init(_ file: MappedFile) throws {
    let bytes = file.bytes
    func malformed(_ problem: String) -> CheckpointError { .malformed(file: file.path, problem: problem) }

    if let kind = FileKind(bytes), kind != .safetensors {
      throw CheckpointError.otherKind(kind, path: file.path, expected: "a safetensors file")
    }
    guard bytes.count >= 8 else {
      throw malformed("not a safetensors file: \(bytes.count) bytes, but the header's length alone takes 8")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(bytes.count - 8) else {
      throw malformed("the header has a length of \(length) bytes, but only \(bytes.count - 8) follow (truncated?)")
    }
    guard length <= UInt64(SafetensorsFile.maximumHeaderBytes) else {
      throw malformed("the header has a length of \(length) bytes, more than \(SafetensorsFile.maximumHeaderBytes)")
    }
    let dataStart = 8 + Int(length)
    let json = try JSONValue.parse(UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), file: file.path)
    guard let members = json.object else { throw malformed("the header is \(json.summary), not an object") }

    // The order is fixed, so that the same of several errors is reported every time.
    for (name, description) in members.sorted(by: { $0.key < $1.key }) {
      if name == "__metadata__" {
        metadata = try description == .null ? [:] : description.strings(file: file.path, key: name, each: "a string")
      } else {
        tensors.append(try Self.tensor(name, description, file, dataStart))
      }
    }
    tensors.sort { ($0.offset, $0.byteCount, $0.name) < ($1.offset, $1.byteCount, $1.name) }
    try checkCoverage(file, dataStart)
  }

  private static func tensor(
    _ name: String, _ description: JSONValue, _ file: MappedFile, _ dataStart: Int
  ) throws -> Tensor {
    func malformed(_ problem: String) -> CheckpointError {
      .malformedTensor(file: file.path, tensor: name, problem: problem)
    }
    guard description.object != nil else { throw malformed("described by \(description.summary), not by an object") }
    guard let typeName = description["dtype"]?.string else {
      throw malformed("dtype should be a string but is \(description["dtype"]?.summary ?? "missing")")
    }
    guard let type = ElementType(safetensorsName: typeName) else {
      throw CheckpointError.unsupportedType(
        file: file.path, tensor: name, type: typeName, supported: ElementType.safetensorsNames)
    }
    let shape = try integers("shape", of: description, malformed)
    let offsets = try integers("data_offsets", of: description, malformed)
    guard offsets.count == 2 else { throw malformed("data_offsets has \(offsets.count) values, not 2") }
    let (begin, end) = (offsets[0], offsets[1])
    guard begin <= end else { throw malformed("data_offsets begin at \(begin), after their end at \(end)") }
    let available = file.bytes.count - dataStart
    guard end <= available else {
      throw malformed("its values end at byte \(end), but the file holds \(available) bytes of values (truncated?)")
    }
    guard case .success(let size) = type.size(of: shape) else {
      throw malformed("the size of shape \(shape) in \(type.name) overflows")
    }
    guard size.bytes == end - begin else {
      throw malformed("shape \(shape) in \(type.name) takes \(size.bytes) bytes, but data_offsets span \(end - begin)")
    }
    return Tensor(
      name: name, type: type, shape: shape, owner: file, offset: dataStart + begin, byteCount: size.bytes)
  }

  /// A member that must be a list of integers ≥ 0.
  private static func integers(
    _ key: String, of description: JSONValue, _ malformed: (String) -> CheckpointError
  ) throws -> [Int] {
    guard let values = description[key]?.array else {
      throw malformed("\(key) should be a list but is \(description[key]?.summary ?? "missing")")
    }
    return try values.map { value in
      guard case .integer(let integer) = value, integer >= 0 else {
        throw malformed("\(key) holds \(value.summary) where an integer of at least 0 is expected")
      }
      return integer
    }
  }

  private func checkCoverage(_ file: MappedFile, _ dataStart: Int) throws {
    var end = dataStart
    var previous = ""
    for tensor in tensors {
      func malformed(_ contradiction: String) -> CheckpointError {
        .malformedTensor(
          file: file.path, tensor: tensor.name,
          problem: "its values begin at byte \(tensor.offset - dataStart), \(contradiction)")
      }
      guard tensor.offset >= end else {
        throw malformed("inside those of '\(previous)', which end at \(end - dataStart)")
      }
      guard tensor.offset == end else {
        throw malformed("but those before it end at \(end - dataStart): a hole")
      }
      end = tensor.offset + tensor.byteCount
      previous = tensor.name
    }
    guard end == file.bytes.count else {
      throw CheckpointError.malformed(
        file: file.path,
        problem: "the tensors end at byte \(end - dataStart), but the file holds \(file.bytes.count - dataStart) "
          + "bytes of values")
    }
  }
}

extension JSONValue {
  /// The members of an object of strings.
  /// - Parameter each: description of a member for errors.
  func strings(file: String, key: String, each: String) throws -> [String: String] {
    guard let members = object else {
      throw CheckpointError.wrongType(file: file, key: key, expected: "an object of strings", found: summary)
    }
    return try members.reduce(into: [:]) { result, member in
      guard let text = member.value.string else {
        throw CheckpointError.wrongType(
          file: file, key: "\(key).\(member.key)", expected: each, found: member.value.summary)
      }
      result[member.key] = text
    }
  }
}
