import Checkpoints
import LinearAlgebra

extension ModelConfiguration {
  /// The shape of one expert's share of a part: `[c, hidden]`, or `[hidden, c]` of the down projection.
  public func expertShare(of part: LayerPart) -> [Int] {
    part.dimensions(in: self, LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 1))
  }
}

/// A part of an MLP of experts as files store it: a tensor for each expert, or one of three dimensions, experts first.
struct ExpertTensors {
  let reader: WeightReader
  let part: LayerPart

  private var share: [Int] { reader.configuration.expertShare(of: part) }

  /// The tensors' names and shapes.
  func tensors(layer: Int, of shape: LayerShape) -> [(name: String, shape: [Int])] {
    let names = reader.names.weights(part, layer: layer, of: shape)
    let isByExpert = reader.names.isByExpert(part)
    return names.map { ($0, isByExpert ? share : [shape.mlpChannels] + share) }
  }

  /// The part's matrix: the experts' rows one after another, of the down projection their columns.
  func read(layer: Int, of shape: LayerShape) throws -> Matrix<Float> {
    let whole = part.dimensions(in: reader.configuration, shape)
    let result = Matrix<Float>(uninitialized: whole[0], columns: whole[1])
    let tensors = tensors(layer: layer, of: shape)
    for expert in 0..<shape.mlpChannels {
      // Of one tensor for all, the experts are runs of rows.
      let own =
        reader.names.isByExpert(part)
        ? try reader.matrix(tensors[expert].name, rows: share[0], columns: share[1])
        : try rows(of: expert, reader.check(tensors[0].name, tensors[0].shape))
      let place = expert * (part.writesToStream ? share[1] : share[0])
      let target =
        part.writesToStream ? result.columns(place..<place + share[1]) : result.rows(place..<place + share[0])
      target.assign(own)
    }
    return result
  }

  private func rows(of expert: Int, _ tensor: Tensor) throws -> Matrix<Float> {
    let result = Matrix<Float>(uninitialized: share[0], columns: share[1])
    try withExtendedLifetime(result) {
      let values = UnsafeMutableBufferPointer(start: result.pointer, count: result.count)
      try tensor.widen(rows: expert * share[0]..<(expert + 1) * share[0], into: values)
      try reader.checkFinite(UnsafeBufferPointer(values), tensor)
    }
    return result
  }
}
