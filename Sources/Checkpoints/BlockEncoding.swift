import CKernels

/// Rounds values to the block-quantised types of ggml, byte for byte as llama.cpp's reference encoder does.
public enum BlockEncoding {
  /// The types that can be written.
  public static let types: [ElementType] = [.q40, .q41, .q50, .q51, .q80, .q4K, .q5K, .q6K]

  /// Rounds whole rows.
  ///
  /// - Parameters:
  ///   - values: rows of `length` finite values, one behind the other.
  ///   - length: values of a row, a multiple of the type's block size.
  ///   - type: one of `types`.
  ///   - importance: weights of the squared errors of the columns, `length` values above zero; `nil` where the magnitude
  ///     of a value alone says how much it counts. Q8_0 heeds none.
  ///   - blocks: takes the encoded rows.
  /// - Returns: whether every scale fits binary16.
  public static func encode(
    _ values: UnsafeBufferPointer<Float>, length: Int, as type: ElementType, importance: [Float]? = nil,
    into blocks: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let bytes = length / type.blockSize * type.bytesPerBlock
    precondition(
      values.count % length == 0 && length % type.blockSize == 0 && blocks.count >= values.count / length * bytes
        && importance.map { $0.count == length } != false, "rows that do not fit their blocks")
    guard let source = values.baseAddress, let target = blocks.baseAddress, let kind = kind(of: type) else {
      preconditionFailure("\(type.name) cannot be written")
    }
    var isFinite = true
    let encode = { (importance: UnsafePointer<Float>?) in
      for row in 0..<values.count / length {
        let place = (target + row * bytes).assumingMemoryBound(to: UInt8.self)
        isFinite = kernels.encode_row(kind, source + row * length, importance, length, place) && isFinite
      }
    }
    if let importance { importance.withUnsafeBufferPointer { encode($0.baseAddress) } } else { encode(nil) }
    return isFinite
  }

  /// The values that encoded blocks stand for.
  ///
  /// - Parameter values: takes them; its length is that of the blocks.
  public static func decode(
    _ blocks: UnsafeRawBufferPointer, as type: ElementType, into values: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(blocks.count >= values.count / type.blockSize * type.bytesPerBlock, "blocks for fewer values")
    guard let source = blocks.baseAddress, let target = values.baseAddress else { return }
    Checkpoints.decode(type, from: source, count: values.count, to: target)
  }

  private static func kind(of type: ElementType) -> nas_block_type? {
    switch type {
    case .q40: NAS_Q4_0
    case .q41: NAS_Q4_1
    case .q50: NAS_Q5_0
    case .q51: NAS_Q5_1
    case .q80: NAS_Q8_0
    case .q4K: NAS_Q4_K
    case .q5K: NAS_Q5_K
    case .q6K: NAS_Q6_K
    default: nil
    }
  }

  private static let kernels = nas_best_kernels().pointee
}

/// Rounds whole rows of a planned tensor to its block type.
///
/// - Parameters:
///   - firstRow: the number of the first of the rows in the tensor; all but the last dimension number rows.
///   - blocks: memory of exactly their size, to be filled.
public typealias RowEncoder = (
  _ plan: TensorPlan, _ firstRow: Int, _ rows: UnsafeBufferPointer<Float>, _ blocks: UnsafeMutableRawBufferPointer
) throws -> Void

extension BlockEncoding {
  /// An encoder without importance, on the calling thread.
  ///
  /// - Throws: `CheckpointError.overflow`.
  public static func plain(
    _ plan: TensorPlan, _ firstRow: Int, _ rows: UnsafeBufferPointer<Float>, _ blocks: UnsafeMutableRawBufferPointer
  ) throws {
    let length = plan.shape.last ?? 1
    if !encode(rows, length: length, as: plan.type, into: blocks) {
      throw overflow(plan, firstRow: firstRow, rows, importance: nil)
    }
  }

  /// The error for rows of which a scale does not fit.
  public static func overflow(
    _ plan: TensorPlan, firstRow: Int, _ rows: UnsafeBufferPointer<Float>, importance: [Float]?
  ) -> CheckpointError {
    let length = plan.shape.last ?? 1
    let bytes = length / plan.type.blockSize * plan.type.bytesPerBlock
    return withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 1) { blocks in
      let row = stride(from: 0, to: rows.count, by: length).first { start in
        !encode(
          UnsafeBufferPointer(rebasing: rows[start..<start + length]), length: length, as: plan.type,
          importance: importance, into: blocks)
      }
      let start = row ?? 0
      let largest = (start..<start + length).max { rows[$0].magnitude < rows[$1].magnitude } ?? start
      return .overflow(
        tensor: plan.name, index: firstRow * length + largest, value: rows[largest], type: plan.type)
    }
  }
}
