import Foundation

/// A checkpoint of which some tensors are replaced by their rows under several names, as if these were stored one by
/// one.
public struct SeparatedCheckpoint: Checkpoint {
  public let location: URL
  public private(set) var tensorNames: [String]
  public private(set) var tensors: [String: Tensor]

  public init(_ checkpoint: some Checkpoint) {
    location = checkpoint.location
    (tensorNames, tensors) = (checkpoint.tensorNames, checkpoint.tensors)
  }

  /// - Throws: the errors of `rows(of:into:)`.
  public mutating func separate(_ name: String, into parts: [(name: String, rows: Int)]) throws {
    let separated = try rows(of: name, into: parts)
    tensorNames = tensorNames.flatMap { $0 == name ? parts.map(\.name) : [$0] }
    tensors[name] = nil
    for part in separated { tensors[part.name] = part }
  }
}

extension Checkpoint {
  /// The rows of a tensor under several names.
  ///
  /// - Parameter parts: names and numbers of rows, in the order of the rows; the rows of a vector are its elements.
  /// - Throws: `CheckpointError.missingTensor`, and `.malformedTensor` if the tensor has another number of rows.
  func rows(of name: String, into parts: [(name: String, rows: Int)]) throws -> [Tensor] {
    let whole = try tensor(name)
    let rows = whole.shape.first ?? 0
    guard whole.shape.count <= 2, parts.reduce(0, { $0 + $1.rows }) == rows else {
      throw CheckpointError.malformedTensor(
        file: whole.file, tensor: name,
        problem:
          "its shape \(whole.shape) is not that of \(parts.map { "'\($0.name)' (\($0.rows))" }.joined(separator: ", "))"
      )
    }
    var start = 0
    return parts.map { part in
      defer { start += part.rows }
      return whole.rows(start..<start + part.rows, named: part.name)
    }
  }
}

extension Tensor {
  /// Some of the rows (the elements of a vector) as a tensor of its own. Blocks do not go across rows.
  fileprivate func rows(_ rows: Range<Int>, named name: String) -> Tensor {
    let bytesPerRow = byteCount / max(shape.first ?? 1, 1)
    return Tensor(
      name: name, type: type, shape: [rows.count] + shape.dropFirst(), owner: owner,
      offset: offset + rows.lowerBound * bytesPerRow, byteCount: rows.count * bytesPerRow,
      whole: (storedName, storedIndex(rows.lowerBound * (shape.count > 1 ? rowLength : 1))))
  }
}
