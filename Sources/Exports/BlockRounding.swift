import Checkpoints
import LanguageModels
import LinearAlgebra
import Runtime

/// Rounds rows to blocks on all workers. Each row is rounded on its own, so the bytes do not depend on the number of workers.
enum BlockRounding {
  /// Values that a worker takes at once.
  private static let share = 1 << 16

  /// - Parameters:
  ///   - group: rows that share their importance; a worker's rows never cross into another group.
  ///   - importance: importance of the columns in each group.
  /// - Throws: `CheckpointError.overflow`.
  static func encode(
    _ plan: TensorPlan, firstRow: Int, _ rows: UnsafeBufferPointer<Float>, into blocks: UnsafeMutableRawBufferPointer,
    group: Int, importance: [[Float]?]
  ) throws {
    let length = plan.shape.last ?? 1
    let bytes = length / plan.type.blockSize * plan.type.bytesPerBlock
    let count = rows.count / length
    let shares = shares(of: firstRow..<firstRow + count, group: group, rows: max(1, share / length))
    nonisolated(unsafe) let (source, target) = (rows, blocks)
    try Threads.forEach(shares.count) { task, _ in
      let (range, group) = shares[task]
      let first = range.lowerBound - firstRow
      let values = UnsafeBufferPointer(rebasing: source[first * length..<(first + range.count) * length])
      let place = UnsafeMutableRawBufferPointer(rebasing: target[first * bytes..<(first + range.count) * bytes])
      let own = importance.isEmpty ? nil : importance[min(group, importance.count - 1)]
      if !BlockEncoding.encode(values, length: length, as: plan.type, importance: own, into: place) {
        throw BlockEncoding.overflow(plan, firstRow: range.lowerBound, values, importance: own)
      }
    }
  }

  private static func shares(of rows: Range<Int>, group: Int, rows most: Int) -> [(rows: Range<Int>, group: Int)] {
    var shares: [(rows: Range<Int>, group: Int)] = []
    var start = rows.lowerBound
    while start < rows.upperBound {
      let number = start / max(1, group)
      let end = min(rows.upperBound, start + most, (number + 1) * max(1, group))
      shares.append((start..<end, number))
      start = end
    }
    return shares
  }
}

extension NetworkTensors {
  /// Rounds rows of a planned tensor, as a `RowEncoder`.
  func encode(
    _ plan: TensorPlan, _ firstRow: Int, _ rows: UnsafeBufferPointer<Float>, _ blocks: UnsafeMutableRawBufferPointer
  ) throws {
    let columns = plan.shape.last ?? 1
    let all = plan.shape.dropLast().reduce(1, *)
    func known(_ part: LayerPart, _ layer: Int, _ expert: Int = 0) -> [Float]? {
      self.importance?.columns(of: part, layer: layer, expert: expert, count: columns)
    }
    var (group, importance): (Int, [[Float]?]) = (all, [])
    switch sources[plan.name] {
    case .weight(let part, let layer): importance = [known(part, layer)]
    // Parts are joined that read the same.
    case .joined(let parts, let layer): importance = [parts.first.flatMap { known($0, layer) }]
    case .expert(let expert, let part, let layer): importance = [known(part, layer, expert)]
    case .experts(let part, let layer):
      group = all / max(1, plan.shape[0])
      importance = (0..<plan.shape[0]).map { known(part, layer, $0) }
    default: break
    }
    try BlockRounding.encode(plan, firstRow: firstRow, rows, into: blocks, group: group, importance: importance)
  }
}

extension TensorComparison {
  /// Compares a projection that was read from blocks. Experts that have columns of their own were rounded one by one.
  ///
  /// - Parameter experts: number of experts that share the columns; one for a projection that is no expert's.
  func checkBlocks(
    _ found: Matrix<Float>, _ expected: Matrix<Float>, _ name: String, _ type: ElementType, _ part: LayerPart,
    _ layer: Int, experts: Int
  ) throws {
    try checkShape(found, expected, name)
    let width = found.columns / max(1, experts)
    for expert in 0..<experts {
      let own = expert * width..<(expert + 1) * width
      let importance = importance?.columns(of: part, layer: layer, expert: expert, count: width)
      try checkBlocks(found.columns(own), expected.columns(own), name, type, importance: importance)
    }
  }

  /// Compares values that were read from blocks with the rounding of those that were written.
  ///
  /// - Parameters:
  ///   - found: shape of `expected`, whose rows are a whole number of blocks.
  ///   - importance: importance by which they were rounded.
  /// - Throws: `ExportError.differentTensor`, `CheckpointError.overflow`.
  func checkBlocks(
    _ found: Matrix<Float>, _ expected: Matrix<Float>, _ name: String, _ type: ElementType, importance: [Float]?
  ) throws {
    let (length, bytes) = (found.columns, found.columns / type.blockSize * type.bytesPerBlock)
    if length == 0 { return }
    let rows = max(1, (1 << 16) / length)
    try Threads.forEach((found.rows + rows - 1) / rows) { task, _ in
      try withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 16) { blocks in
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { rounded in
          for row in task * rows..<min((task + 1) * rows, found.rows) {
            let values = UnsafeBufferPointer(start: expected.row(row), count: length)
            guard BlockEncoding.encode(values, length: length, as: type, importance: importance, into: blocks) else {
              let plan = TensorPlan(name: name, type: type, shape: [found.rows, length])
              throw BlockEncoding.overflow(plan, firstRow: row, values, importance: importance)
            }
            BlockEncoding.decode(UnsafeRawBufferPointer(blocks), as: type, into: rounded)
            let read = UnsafeBufferPointer(start: found.row(row), count: length)
            guard
              let place = firstDifference(
                UnsafeRawBufferPointer(read), UnsafeRawBufferPointer(UnsafeBufferPointer(rounded)))
            else { continue }
            throw ExportError.differentTensor(
              path: path, tensor: name, index: row * length + place / 4, found: read[place / 4],
              expected: rounded[place / 4])
          }
        }
      }
    }
  }
}
