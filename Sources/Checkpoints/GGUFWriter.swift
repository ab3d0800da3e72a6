import Foundation

/// Writes GGUF files of version 3 tensor by tensor, so that no more than one tensor (or one piece of it) is in memory.
public enum GGUFWriter {
  /// ggml stores a tensor's name in 64 bytes, of which the last is zero.
  static let maximumNameBytes = 63

  /// Writes one file, atomically.
  ///
  /// - Parameters:
  ///   - metadata: written in this order. `general.alignment`, if present, is obeyed; otherwise it is 32.
  ///   - tensors: written in this order.
  ///   - encoder: rounds those of block types.
  /// - Throws: `CheckpointError.unwritable`, `.invalidPlan`, `.overflow`, and what `supply` throws.
  public static func write(
    metadata: [(key: String, value: GGUFValue)], tensors: [TensorPlan], to url: URL,
    encoder: @escaping RowEncoder = BlockEncoding.plain, supply: TensorSupply
  ) throws {
    let alignment = try check(metadata, url)
    let plans = try check(tensors, url, pad: alignment)
    try AtomicFile.write(to: url) { output in
      try output.write(GGUFFile.magic)
      try output.write(UInt32(3))
      try output.write(UInt64(plans.count))
      try output.write(UInt64(metadata.count))
      for (key, value) in metadata {
        try string(key, output)
        let stored = value.stored
        try output.write(stored.type.rawValue)
        try stored.bytes.withUnsafeBytes { try output.write($0) }
      }
      var offset = 0
      for item in plans {
        try string(item.plan.name, output)
        try output.write(UInt32(item.plan.shape.count))
        for dimension in item.plan.shape.reversed() { try output.write(UInt64(dimension)) }
        try output.write(item.plan.type.ggmlCode ?? 0)
        try output.write(UInt64(offset))
        offset = (offset + item.byteCount + alignment - 1) / alignment * alignment
      }
      try output.pad(to: alignment)
      for item in plans {
        try item.write(to: output, supply, encoder: encoder)
        try output.pad(to: alignment)
      }
    }
  }

  /// Bytes of a file without tensors: header and metadata.
  public static func bytes(of metadata: [(key: String, value: GGUFValue)]) -> Int {
    metadata.reduce(24) { $0 + 12 + $1.key.utf8.count + $1.value.stored.bytes.count }
  }

  /// Bytes that tensors add to a file: their descriptions, and their values filled up to the usual alignment.
  public static func bytes(of tensors: [TensorPlan]) -> Int {
    let alignment = GGUFFile.defaultAlignment
    return tensors.reduce(alignment) { sum, plan in
      guard case .success(let size) = plan.type.size(of: plan.shape) else { return sum }
      let described = 24 + plan.name.utf8.count + 8 * plan.shape.count
      return sum + described + (size.bytes + alignment - 1) / alignment * alignment
    }
  }

  /// - Returns: the alignment.
  private static func check(_ metadata: [(key: String, value: GGUFValue)], _ url: URL) throws -> Int {
    func invalid(_ problem: String) -> CheckpointError { .invalidPlan(file: url.path, problem: problem) }
    var keys: Set<String> = []
    var result = GGUFFile.defaultAlignment
    for (key, value) in metadata {
      guard keys.insert(key).inserted else { throw invalid("the metadata key '\(key)' is repeated") }
      guard !key.isEmpty, key.utf8.count <= Int(UInt16.max) else {
        throw invalid(
          "the metadata key '\(key.prefix(40))' has \(key.utf8.count) bytes; 1 to \(UInt16.max) are allowed")
      }
      guard key == "general.alignment" else { continue }
      guard case .uint32(let alignment) = value, alignment >= 8, alignment & (alignment - 1) == 0 else {
        throw invalid("general.alignment is \(value.summary), not a 32-bit power of two of at least 8")
      }
      result = Int(alignment)
    }
    return result
  }

  private static func check(_ tensors: [TensorPlan], _ url: URL, pad: Int) throws -> [CheckedPlan] {
    for plan in tensors {
      guard (1...4).contains(plan.shape.count) else {
        throw CheckpointError.invalidPlan(
          file: url.path, problem: "tensor '\(plan.name)' has \(plan.shape.count) dimensions; GGUF allows 1 to 4")
      }
      guard plan.name.utf8.count <= maximumNameBytes else {
        throw CheckpointError.invalidPlan(
          file: url.path,
          problem: "the tensor name '\(plan.name)' has \(plan.name.utf8.count) bytes; GGUF allows \(maximumNameBytes)")
      }
    }
    return try CheckedPlan.check(tensors, file: url.path, pad: pad, blocks: BlockEncoding.types)
  }

  private static func string(_ text: String, _ output: FileOutput) throws {
    try output.write(UInt64(text.utf8.count))
    try output.write(text)
  }
}
