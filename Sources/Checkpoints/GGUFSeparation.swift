extension GGUFFile {
  /// The file with one tensor replaced by its rows under several names, as if they were stored one by one.
  ///
  /// - Parameter parts: names and numbers of rows, in the order of the rows; the rows of a vector are its elements.
  /// - Throws: `CheckpointError.missingTensor`, and `.malformedTensor` if the tensor has another number of rows.
  public func separating(_ name: String, into parts: [(name: String, rows: Int)]) throws -> GGUFFile {
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
    let separated = parts.map { part in
      defer { start += part.rows }
      return whole.rows(start..<start + part.rows, named: part.name)
    }
    return replacing(name, with: separated)
  }
}

extension Tensor {
  /// Some of the rows (the elements of a vector) as a tensor of its own. Blocks do not go across rows.
  fileprivate func rows(_ rows: Range<Int>, named name: String) -> Tensor {
    let bytesPerRow = byteCount / max(shape.first ?? 1, 1)
    return Tensor(
      name: name, type: type, shape: [rows.count] + shape.dropFirst(), owner: owner,
      offset: offset + rows.lowerBound * bytesPerRow, byteCount: rows.count * bytesPerRow)
  }
}
