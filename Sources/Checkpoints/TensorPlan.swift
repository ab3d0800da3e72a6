/// A tensor that is to be written.
public struct TensorPlan: Sendable, Hashable {
  public let name: String
  /// `.f32`, `.f16` or `.bf16`.
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

  /// - Parameter pad: largest number of bytes that the file has between two tensors.
  /// - Throws: `CheckpointError.invalidPlan` if a name occurs twice, a type cannot be written or a size overflows.
  static func check(_ plans: [TensorPlan], file: String, pad: Int = 0) throws -> [CheckedPlan] {
    var names: Set<String> = []
    var total = 0
    return try plans.map { plan in
      func invalid(_ problem: String) -> CheckpointError {
        .invalidPlan(file: file, problem: "tensor '\(plan.name)' \(problem)")
      }
      guard names.insert(plan.name).inserted else { throw invalid("is planned twice") }
      guard [.f32, .f16, .bf16].contains(plan.type) else {
        throw invalid("is planned as \(plan.type.name); only F32, F16 and BF16 can be written")
      }
      guard case .success(let size) = plan.type.size(of: plan.shape) else {
        throw invalid("has the impossible shape \(plan.shape)")
      }
      let (sum, overflow) = total.addingReportingOverflow(size.bytes + pad)
      if overflow { throw CheckpointError.invalidPlan(file: file, problem: "the tensors' sizes overflow") }
      total = sum
      return CheckedPlan(plan: plan, count: size.elements, byteCount: size.bytes)
    }
  }

  /// Asks for the values, narrows them and writes them to the output.
  /// - Throws: `CheckpointError.overflow`, or `.invalidPlan` if their number is not that of the plan.
  func write(to output: FileOutput, _ supply: TensorSupply) throws {
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
