import Checkpoints
import Foundation
import LinearAlgebra

extension ModelConfiguration {
  /// The shape of one expert's share of a part: `[c, hidden]`, or `[hidden, c]` of the down projection.
  public func expertShare(of part: LayerPart) -> [Int] {
    part.dimensions(in: self, LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 1))
  }
}

/// A part of an MLP of experts as files store it: a tensor for each expert, or one of three dimensions, experts first.
///
/// In one tensor, every expert's share is its matrix; or, where a family joins gates and ups (`ExpertRule.joinsGateAndUp`),
/// the transpose of one whose rows are those of gate and up in turn. That may be in blocks of MXFP4, and is then not transposed.
struct ExpertTensors {
  let reader: WeightReader
  let part: LayerPart

  private var share: [Int] { reader.configuration.expertShare(of: part) }
  private var names: TensorNames { reader.names }

  /// The outputs of the stored tensor for each output of the part, and the place of the part's among them.
  private var turn: (count: Int, place: Int) {
    names.joinsGateAndUp && part != .down ? (2, part == .gate ? 0 : 1) : (1, 0)
  }

  /// The part's outputs among an expert's stored ones.
  private var places: StrideTo<Int> { stride(from: turn.place, to: share[0] * turn.count, by: turn.count) }

  /// Whether the part is stored in blocks of MXFP4.
  func isInBlocks(layer: Int) -> Bool {
    reader.encoding == .mxfp4
      && reader.checkpoint.contains(names.weight(part, layer: layer) + WeightEncoding.blockSuffixes[0])
  }

  /// The tensors' names and shapes.
  func tensors(layer: Int, of shape: LayerShape) -> [(name: String, shape: [Int])] {
    let (stored, experts, inputs) = (names.weights(part, layer: layer, of: shape), shape.mlpChannels, share[1])
    if names.isByExpert(part) { return stored.map { ($0, share) } }
    guard names.joinsGateAndUp else { return [(stored[0], [experts] + share)] }
    let outputs = share[0] * turn.count
    guard isInBlocks(layer: layer) else { return [(stored[0], [experts, inputs, outputs])] }
    let blocks = [experts, outputs, inputs / MXFP4Blocks.size]
    return zip(WeightEncoding.blockSuffixes, [blocks + [MXFP4Blocks.size / 2], blocks]).map { (stored[0] + $0, $1) }
  }

  /// The part's matrix: the experts' rows one after another, of the down projection their columns.
  func read(layer: Int, of shape: LayerShape) throws -> Matrix<Float> {
    let whole = part.dimensions(in: reader.configuration, shape)
    let result = Matrix<Float>(uninitialized: whole[0], columns: whole[1])
    let (tensors, isInBlocks) = (tensors(layer: layer, of: shape), isInBlocks(layer: layer))
    for expert in 0..<shape.mlpChannels {
      let place = expert * (part.writesToStream ? share[1] : share[0])
      let target =
        part.writesToStream ? result.columns(place..<place + share[1]) : result.rows(place..<place + share[0])
      if names.isByExpert(part) {
        target.assign(try reader.matrix(tensors[expert].name, rows: share[0], columns: share[1]))
      } else if isInBlocks {
        let stored = try tensors.map { try reader.check($0.name, $0.shape, isInBlocks: true) }
        try read(expert, MXFP4Blocks(numbers: stored[0], exponents: stored[1]), into: target)
      } else {
        try read(expert, reader.check(tensors[0].name, tensors[0].shape), into: target)
      }
    }
    return result
  }

  /// Of one tensor for all, the experts are runs of rows.
  private func read(_ expert: Int, _ tensor: Tensor, into target: Matrix<Float>) throws {
    let (rows, columns) = names.joinsGateAndUp ? (share[1], share[0] * turn.count) : (share[0], share[1])
    let stored = Matrix<Float>(uninitialized: rows, columns: columns)
    try withExtendedLifetime(stored) {
      let values = UnsafeMutableBufferPointer(start: stored.pointer, count: stored.count)
      try tensor.widen(rows: expert * rows..<(expert + 1) * rows, into: values)
      try reader.checkFinite(UnsafeBufferPointer(values), tensor)
    }
    guard names.joinsGateAndUp else { return target.assign(stored) }
    for (row, output) in places.enumerated() {
      for input in 0..<rows { target[row, input] = stored[input, output] }
    }
  }

  private func read(_ expert: Int, _ blocks: MXFP4Blocks, into target: Matrix<Float>) throws {
    for (row, output) in places.enumerated() {
      blocks.read(row: expert * share[0] * turn.count + output, into: target.row(row), count: share[1])
      try reader.checkFinite(UnsafeBufferPointer(start: target.row(row), count: share[1]), blocks.exponents)
    }
  }

  /// The shape of the tensor that holds the part's biases.
  func biasShape(of shape: LayerShape) -> [Int] { [shape.mlpChannels, share[0] * turn.count] }

  /// The biases of all experts, one after another.
  func bias(layer: Int, of shape: LayerShape) throws -> [Float] {
    let stored = try reader.values(of: names.bias(part, layer: layer), biasShape(of: shape))
    return stride(from: turn.place, to: stored.count, by: turn.count).map { stored[$0] }
  }
}

/// Rows of numbers of 4 bits (OCP Microscaling Formats 1.0) as safetensors hold them: 16 bytes of two numbers each, the first
/// in the lower half, and the exponent of each block in a tensor of its own.
private struct MXFP4Blocks {
  /// Numbers of a block.
  static let size = 32
  private static let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]

  let numbers: Tensor
  let exponents: Tensor

  func read(row: Int, into target: UnsafeMutablePointer<Float>, count: Int) {
    let (blocks, bytes) = (count / Self.size, Self.size / 2)
    for block in row * blocks..<(row + 1) * blocks {
      let scale = scalbn(Float(1), Int(exponents.bytes[block]) - 127)
      let start = target + (block - row * blocks) * Self.size
      for place in 0..<bytes {
        let pair = numbers.bytes[block * bytes + place]
        start[2 * place] = Self.values[Int(pair & 15)] * scale
        start[2 * place + 1] = Self.values[Int(pair >> 4)] * scale
      }
    }
  }
}
