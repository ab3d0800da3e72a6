/// The checked tensor descriptions of a GGUF file.
struct GGUFTensorTable {
  /// In the order of their values.
  let tensors: [Tensor]

  /// - Parameters:
  ///   - parser: stands at the first description.
  ///   - alignment: the value of `general.alignment`, if the file has it.
  init(_ parser: inout GGUFParser, count: Int, _ alignment: GGUFValue?, _ file: MappedFile) throws {
    let alignment = try Self.alignment(alignment, parser)
    var descriptions: [Description] = []
    var names: Set<String> = []
    for number in 0..<count {
      let description = try Description(&parser, number: number)
      guard names.insert(description.name).inserted else {
        throw parser.malformed("the tensor name '\(description.name)' is repeated")
      }
      descriptions.append(description)
    }
    descriptions.sort { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }

    // The last pad may be missing if there are no values.
    let dataStart = min(Self.padded(parser.position, to: alignment) ?? .max, file.bytes.count)
    let available = file.bytes.count - dataStart
    var end = 0
    var previous = ""
    tensors = try descriptions.map { description in
      func malformed(_ problem: String) -> CheckpointError {
        .malformedTensor(file: parser.file, tensor: description.name, problem: problem)
      }
      guard description.offset <= UInt64(available), description.byteCount <= available - Int(description.offset) else {
        throw malformed(
          "its \(description.byteCount) bytes at offset \(description.offset) exceed the \(available) bytes of values "
            + "that the file holds (truncated?)")
      }
      let offset = Int(description.offset)
      guard offset % alignment == 0 else {
        throw malformed("its offset \(offset) is not a multiple of the alignment \(alignment)")
      }
      guard offset >= end else {
        throw malformed("its offset \(offset) lies inside the values of '\(previous)', which end at \(end)")
      }
      guard let expected = Self.padded(end, to: alignment), offset == expected else {
        throw malformed("its offset is \(offset), but the values before it end at \(end): a hole")
      }
      end = offset + description.byteCount
      previous = description.name
      return Tensor(
        name: description.name, type: description.type, shape: description.shape, owner: file,
        offset: dataStart + offset, byteCount: description.byteCount)
    }
  }

  private static func alignment(_ value: GGUFValue?, _ parser: GGUFParser) throws -> Int {
    guard let value else { return GGUFFile.defaultAlignment }
    guard case .uint32(let alignment) = value, alignment > 0, alignment & (alignment - 1) == 0 else {
      throw CheckpointError.wrongType(
        file: parser.file, key: "general.alignment", expected: "a 32-bit power of two", found: value.summary)
    }
    return Int(alignment)
  }

  /// The next multiple of `alignment`, or nil if it overflows.
  private static func padded(_ position: Int, to alignment: Int) -> Int? {
    let (sum, overflow) = position.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum / alignment * alignment
  }

  private struct Description {
    let name: String
    let type: ElementType
    let shape: [Int]
    let byteCount: Int
    /// Offset from the beginning of the values; not yet checked.
    let offset: UInt64

    init(_ parser: inout GGUFParser, number: Int) throws {
      let name = try parser.string("the name of tensor \(number)")
      func malformed(_ problem: String) -> CheckpointError {
        .malformedTensor(file: parser.file, tensor: name, problem: problem)
      }
      let rank = try parser.integer(UInt32.self, "the number of dimensions of '\(name)'")
      guard rank <= 4 else { throw malformed("it has \(rank) dimensions; at most 4 are allowed") }
      var dimensions: [UInt64] = []
      for _ in 0..<rank {
        dimensions.append(try parser.integer(UInt64.self, "a dimension of '\(name)'"))
      }
      let code = try parser.integer(UInt32.self, "the type of '\(name)'")
      offset = try parser.integer(UInt64.self, "the offset of '\(name)'")
      guard let type = ElementType(ggmlCode: code) else {
        if let known = UnreadType.known(code) {
          throw malformed("its type \(known.name) is not read here: \(known.advice)")
        }
        throw CheckpointError.unsupportedType(
          file: parser.file, tensor: name, type: "number \(code)", supported: ElementType.ggmlNames)
      }
      let shape = dimensions.reversed().compactMap { Int(exactly: $0) }
      guard shape.count == dimensions.count else {
        throw malformed("its dimensions \(dimensions) exceed 63 bits")
      }
      switch type.size(of: shape) {
      case .success(let size): byteCount = size.bytes
      case .failure(.overflow): throw malformed("the size of shape \(shape) in \(type.name) overflows")
      case .failure(.partialBlock):
        throw malformed(
          "its rows have \(shape.last ?? 1) elements, not a multiple of the \(type.blockSize) that \(type.name) needs")
      }
      self.name = name
      self.type = type
      self.shape = shape
    }
  }
}
