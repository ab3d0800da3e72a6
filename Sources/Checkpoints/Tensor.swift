import Foundation

/// A named array in a mapped checkpoint file. A tensor keeps its file mapped; values are read when they are used.
public struct Tensor: Sendable {
  public let name: String
  public let type: ElementType
  /// Row-major, outermost dimension first (PyTorch order): a linear layer is `[outputs, inputs]`.
  public let shape: [Int]
  let owner: MappedFile
  let offset: Int
  let byteCount: Int
  /// The stored tensor of which this one is rows, and the element that they begin with; `nil` for a stored one.
  var whole: (name: String, start: Int)?

  /// The name in the file.
  public var storedName: String { whole?.name ?? name }

  /// The place of an element in the tensor that is stored.
  public func storedIndex(_ element: Int) -> Int { (whole?.start ?? 0) + element }

  /// Path of the file that holds the values.
  public var file: String { owner.path }

  /// The encoded values. Valid while this tensor, or another of the same file, is alive.
  public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: owner.bytes[offset..<offset + byteCount])
  }

  /// Number of elements.
  public var count: Int { byteCount / type.bytesPerBlock * type.blockSize }
  /// Length of the innermost dimension; 1 for a scalar.
  public var rowLength: Int { shape.last ?? 1 }
  /// Product of all dimensions but the innermost: 1 for a vector.
  public var rowCount: Int { shape.dropLast().reduce(1, *) }

  /// Decodes whole rows to Float32.
  ///
  /// - Parameters:
  ///   - rows: rows of `rowLength` elements, out of `0..<rowCount`.
  ///   - destination: memory whose first `rows.count × rowLength` values are written; the rest stays as it was.
  /// - Throws: `CheckpointError.malformedTensor` if the rows are out of range or the destination is too short.
  public func widen(rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>) throws {
    func invalid(_ problem: String) -> CheckpointError { .malformedTensor(file: file, tensor: name, problem: problem) }
    guard rows.lowerBound >= 0, rows.upperBound <= rowCount else {
      throw invalid("rows \(rows) were asked for, but it has \(rowCount)")
    }
    let elements = rows.count * rowLength
    guard destination.count >= elements else {
      throw invalid("\(elements) values do not fit a buffer of \(destination.count)")
    }
    guard elements > 0, let target = destination.baseAddress, let source = bytes.baseAddress else { return }
    let bytesPerRow = rowLength / type.blockSize * type.bytesPerBlock
    withExtendedLifetime(owner) {
      decode(type, from: source + rows.lowerBound * bytesPerRow, count: elements, to: target)
    }
  }

  /// All values as Float32, in row-major order.
  public func floats() throws -> [Float] {
    try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      try widen(rows: 0..<rowCount, into: buffer)
      initialized = count
    }
  }

  /// Whether another tensor has the same shape and values; the stored types may differ.
  public func hasSameValues(as other: Tensor) throws -> Bool {
    guard shape == other.shape else { return false }
    if type == other.type {
      guard let first = bytes.baseAddress, let second = other.bytes.baseAddress else { return true }
      return memcmp(first, second, byteCount) == 0
    }
    var (mine, theirs) = ([Float](repeating: 0, count: rowLength), [Float](repeating: 0, count: rowLength))
    for row in 0..<rowCount {
      try mine.withUnsafeMutableBufferPointer { try widen(rows: row..<row + 1, into: $0) }
      try theirs.withUnsafeMutableBufferPointer { try other.widen(rows: row..<row + 1, into: $0) }
      if mine != theirs { return false }
    }
    return true
  }

  /// The values themselves, without a copy, if they are stored as Float32 at an address Float32 allows. Valid while
  /// this tensor, or another of the same file, is alive.
  public var directFloats: UnsafeBufferPointer<Float>? {
    guard type == .f32, let base = bytes.baseAddress, Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0
    else { return nil }
    return UnsafeBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: count)
  }

  /// Tells the system that the values will not be needed soon. Their pages no longer count as this process's memory.
  /// They may be read again at any time.
  public func release() { owner.release(bytes) }

  /// Lets the system read the values from disk into its cache, which does not count as this process's memory. May block
  /// until the disk has accepted the requests.
  public func prefetch() { owner.prefetch(bytes) }
}
