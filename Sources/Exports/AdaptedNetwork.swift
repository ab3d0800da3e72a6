import LanguageModels
import LinearAlgebra
import Runtime

/// A network in the terms of a file format, with the same results: without layers that have neither attention nor MLP,
/// with biases of zeros if the format needs some, with MLP channels of zeros if a loader needs an MLP or the file whole
/// blocks of them, and with queries that make up for another factor of attention's scores.
struct AdaptedNetwork<Base: Network>: Network {
  let base: Base
  let configuration: ModelConfiguration
  /// The layers of `base` that are left, ascending.
  let numbers: [Int]

  /// - Parameters:
  ///   - configuration: the network's own, except for biases and the factor of attention's scores.
  ///   - mlpChannels: number of channels of a layer that has attention and no MLP.
  ///   - channelBlock: the number of channels of an MLP is filled up to a multiple of this. Experts stay as they are.
  init(_ base: Base, _ configuration: ModelConfiguration, mlpChannels: Int = 0, channelBlock: Int = 1) {
    self.base = base
    let layers = base.configuration.layers
    numbers = layers.indices.filter { layers[$0].kvHeads > 0 || layers[$0].mlpChannels > 0 }
    var adapted = configuration
    if !adapted.attentionKinds.isEmpty { adapted.attentionKinds = numbers.map(configuration.attentionKind) }
    adapted.layers = numbers.map { number in
      var shape = layers[number]
      if configuration.block.experts != nil { return shape }
      if shape.mlpChannels == 0 { shape.mlpChannels = mlpChannels }
      shape.mlpChannels = (shape.mlpChannels + channelBlock - 1) / channelBlock * channelBlock
      return shape
    }
    self.configuration = adapted
  }

  var engine: any Engine { base.engine }
  var memory: MemoryPlan { base.memory }
  var embedding: Matrix<Float> { base.embedding }
  var finalNorm: [Float] { base.finalNorm }
  var head: Matrix<Float> { base.head }

  /// The number that queries have to be longer by, so that the scores stay.
  private var queryFactor: Float {
    func scale(_ configuration: ModelConfiguration) -> Float {
      configuration.block.scoreScale ?? 1 / Float(configuration.headDimension).squareRoot()
    }
    return scale(base.configuration) / scale(configuration)
  }

  /// A bias that the network's own configuration names is not invented: the export reports it as missing.
  func layer(_ index: Int) throws -> LayerWeights {
    var weights = try base.layer(numbers[index])
    let shape = configuration.layers[index]
    if queryFactor != 1, shape.kvHeads > 0 { weights.lengthenQueries(queryFactor, configuration.block.parts) }
    let channels = base.configuration.layers[numbers[index]].mlpChannels
    let getsMLP = shape.mlpChannels > 0 && channels == 0
    if channels > 0, channels < shape.mlpChannels, configuration.block.experts == nil {
      for part in configuration.parts(of: shape) where part.module == .mlp && part.isLinear {
        weights[part] = weights[part].filled(to: part.dimensions(in: configuration, shape))
      }
    }
    if getsMLP {
      for part in configuration.parts(of: shape) where part.module == .mlp {
        let size = part.dimensions(in: configuration, shape)
        if part.isLinear {
          weights[part] = Linear(weight: Matrix(rows: size[0], columns: size[1]))
        } else {
          weights[gain: part] = Array(repeating: 1, count: size[0])
        }
      }
    }
    var added = configuration
    added.block.biases.subtract(base.configuration.block.biases.filter { !(getsMLP && $0.module == .mlp) })
    return weights.fillingBiases(for: added)
  }
}

extension Linear {
  /// The same with outputs and inputs of zeros behind its own, up to a shape.
  fileprivate func filled(to shape: [Int]) -> Linear {
    if shape == [outputs, inputs] { return self }
    let filled = Matrix<Float>(rows: shape[0], columns: shape[1])
    for row in 0..<outputs { filled.row(row).update(from: weight.row(row), count: inputs) }
    return Linear(
      weight: filled, bias: bias.map { $0 + Array(repeating: 0, count: shape[0] - $0.count) })
  }
}

extension LayerWeights {
  /// Makes queries so many times as long: by the gains of their norm if there is one, else by their projection.
  fileprivate mutating func lengthenQueries(_ factor: Float, _ parts: Set<LayerPart>) {
    if let norm = [LayerPart.queryNorm, .allQueriesNorm].first(where: parts.contains) {
      self[gain: norm] = self[gain: norm].map { $0 * factor }
      return
    }
    let query = self[.query]
    let weight = query.weight.gatherRows(Array(0..<query.outputs))
    for row in 0..<weight.rows { Kernels.scale(weight.row(row), by: factor, count: weight.columns) }
    self[.query] = Linear(weight: weight, bias: query.bias.map { $0.map { $0 * factor } })
  }
}
