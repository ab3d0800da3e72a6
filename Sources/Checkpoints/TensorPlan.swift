/// A tensor that is to be written.
public struct TensorPlan: Sendable, Hashable {
  public let name: String
  /// `.f32`, `.f16` or `.bf16`; in GGUF also one of `BlockEncoding.types`.
  public let type: ElementType
  /// Outermost dimension first.
  public let shape: [Int]

  public init(name: String, type: ElementType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }
}

/// Supplies the values of one tensor when the writer reaches it: calls the second argument with them, in row-major
/// order, at once or in any number of pieces.
public typealias TensorSupply = (TensorPlan, _ write: (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void

/// A plan whose type and size have been checked.
struct CheckedPlan {
  let plan: TensorPlan
  let count: Int
  let byteCount: Int

  /// Values that are encoded together, at least a row.
  private static let piece = 1 << 20

  /// - Parameters:
  ///   - pad: largest number of bytes that the file has between two tensors.
  ///   - blocks: block types that the file can hold.
  /// - Throws: `CheckpointError.invalidPlan` if a name occurs twice, a type cannot be written or a size overflows.
  static func check(
    _ plans: [TensorPlan], file: String, pad: Int = 0, blocks: [ElementType] = []
  ) throws -> [CheckedPlan] {
    var names: Set<String> = []
    var total = 0
    return try plans.map { plan in
      func invalid(_ problem: String) -> CheckpointError {
        .invalidPlan(file: file, problem: "tensor '\(plan.name)' \(problem)")
      }
      guard names.insert(plan.name).inserted else { throw invalid("is planned twice") }
      let known = [.f32, .f16, .bf16] + blocks
      guard known.contains(plan.type) else {
        let names = known.dropLast().map(\.name).joined(separator: ", ")
        throw invalid("is planned as \(plan.type.name); only \(names) and \(known.last?.name ?? "") can be written")
      }
      let size: (elements: Int, bytes: Int)
      switch plan.type.size(of: plan.shape) {
      case .success(let found): size = found
      case .failure(.overflow): throw invalid("has the impossible shape \(plan.shape)")
      case .failure(.partialBlock):
        throw invalid(
          "has rows of \(plan.shape.last ?? 1) values, no whole number of blocks of \(plan.type.blockSize) (\(plan.type.name))"
        )
      }
      let (sum, overflow) = total.addingReportingOverflow(size.bytes + pad)
      if overflow { throw CheckpointError.invalidPlan(file: file, problem: "the tensors' sizes overflow") }
      total = sum
      return CheckedPlan(plan: plan, count: size.elements, byteCount: size.bytes)
    }
  }

  /// Asks for the values, narrows them and writes them to the output.
  /// - Throws: `CheckpointError.overflow`, or `.invalidPlan` if their number is not that of the plan.
  func write(to output: FileOutput, _ supply: TensorSupply, encoder: @escaping RowEncoder = BlockEncoding.plain) throws
  {
    if plan.type.isQuantised { return try writeBlocks(to: output, supply, encoder) }
    var supplied = 0
    func mismatch(_ found: Int) -> CheckpointError {
      .invalidPlan(
        file: output.url.path,
        problem: "tensor '\(plan.name)' of shape \(plan.shape) takes \(count) values, but \(found) were supplied")
    }
    try supply(plan) { values in
      guard values.count <= count - supplied else { throw mismatch(supplied + values.count) }
      try encode(values, from: supplied, to: output)
      supplied += values.count
    }
    guard supplied == count else { throw mismatch(supplied) }
  }

  /// Gathers the values to pieces of whole rows, so that an encoder has something to share out.
  private func writeBlocks(to output: FileOutput, _ supply: TensorSupply, _ encoder: @escaping RowEncoder) throws {
    let length = plan.shape.last ?? 1
    let room = min(count, max(1, Self.piece / length) * length)
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: room)
    let blocks = UnsafeMutableRawBufferPointer.allocate(
      byteCount: room / plan.type.blockSize * plan.type.bytesPerBlock, alignment: 16)
    defer {
      values.deallocate()
      blocks.deallocate()
    }
    var (held, supplied) = (0, 0)
    func mismatch(_ found: Int) -> CheckpointError {
      .invalidPlan(
        file: output.url.path,
        problem: "tensor '\(plan.name)' of shape \(plan.shape) takes \(count) values, but \(found) were supplied")
    }
    func flush() throws {
      if held == 0 { return }
      let filled = UnsafeMutableRawBufferPointer(
        rebasing: blocks[..<(held / plan.type.blockSize * plan.type.bytesPerBlock)])
      try encoder(plan, (supplied - held) / length, UnsafeBufferPointer(rebasing: values[..<held]), filled)
      try output.write(UnsafeRawBufferPointer(filled))
      held = 0
    }
    try supply(plan) { piece in
      guard piece.count <= count - supplied else { throw mismatch(supplied + piece.count) }
      var taken = 0
      while taken < piece.count {
        let part = piece[taken..<min(piece.count, taken + room - held)]
        _ = UnsafeMutableBufferPointer(rebasing: values[held...]).update(fromContentsOf: part)
        (held, supplied, taken) = (held + part.count, supplied + part.count, taken + part.count)
        if held == room { try flush() }
      }
    }
    guard supplied == count else { throw mismatch(supplied) }
    try flush()
  }

  private func encode(_ values: UnsafeBufferPointer<Float>, from start: Int, to output: FileOutput) throws {
    guard plan.type != .f32 else { return try output.write(UnsafeRawBufferPointer(values)) }
    try withUnsafeTemporaryAllocation(of: UInt16.self, capacity: min(values.count, 1 << 16)) { narrowed in
      var done = 0
      while done < values.count {
        let piece = UnsafeBufferPointer(rebasing: values[done..<min(done + narrowed.count, values.count)])
        let tooLarge =
          plan.type == .f16 ? Narrowing.f16(piece, into: narrowed) : Narrowing.bf16(piece, into: narrowed)
        if let index = tooLarge {
          throw CheckpointError.overflow(
            tensor: plan.name, index: start + done + index, value: piece[index], type: plan.type)
        }
        try output.write(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: narrowed[..<piece.count])))
        done += piece.count
      }
    }
  }
}
