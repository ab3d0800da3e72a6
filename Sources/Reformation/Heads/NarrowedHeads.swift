import Calibration
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Synchronization

/// A model whose heads have fewer dimensions, the same in all layers.
///
/// Queries and keys keep some rotary pairs, the same everywhere, because loaders know one set of frequencies for a
/// model. Values keep directions of their own in every group. The rest is corrected by least squares: queries toward
/// the scores, the output projection toward the context (`HeadMoments`, `ValueDirections`).
public struct NarrowedHeads<Parent: Network>: Sendable {
  /// Rotary pairs that stay, ascending.
  public let pairs: [Int]
  public let network: Subnet<Parent>

  /// - Parameters:
  ///   - dimension: number of dimensions of the narrower heads; all of them gives the parent as it is.
  ///   - windows: calibration windows on which queries meet keys.
  ///   - statistics: those of the parent, with gradients of the sampled loss.
  ///   - damping: λ of the least squares for the output projections, as a share of the Gram's mean diagonal.
  /// - Throws: the errors of `check`, and `ReformationError` if statistics are missing or not finite.
  public init(
    of parent: Parent, dimension: Int, windows: TokenWindows, statistics: any Statistics, damping: Double,
    monitor: Monitor = .silent
  ) throws {
    let configuration = parent.configuration
    try Self.check(configuration, dimension: dimension)
    if dimension == configuration.headDimension {
      self.pairs = Array(0..<dimension / 2)
      network = Subnet(of: parent, configuration: configuration) { try parent.layer($0) }
      return
    }
    let moments = try Self.moments(parent, windows, statistics, monitor)
    let pairs = RotaryPairs.kept(Self.sum(moments.compactMap { $0?.losses }), dimension / 2)
    let narrow = configuration.keepingPairs(pairs)
    let layers = try LayerStore(narrow, within: parent.memory)
    let most = parent.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
    try Threads.forEach(configuration.layerCount, atMost: most) { index, _ in
      let weights = try parent.layer(index)
      guard let moments = moments[index] else { return try layers.store(index, weights) }
      do {
        let layer = NarrowedLayer(weights: weights, dimension: configuration.headDimension, engine: parent.engine)
        let gram = try statistics.layer(index).contextGram
        let outputMoments = try Self.outputMoments(statistics, index)
        try layers.store(
          index,
          layer.narrowed(
            keeping: pairs, keys: moments.keys, lengthening: configuration.scoreScale / narrow.scoreScale,
            contextGram: gram, outputMoments: outputMoments, damping: damping))
      } catch is LinearAlgebraError {
        throw ReformationError.layer(index, module: "heads", problem: "the calibration statistics are singular")
      }
    }
    self.pairs = pairs
    network = Subnet(of: parent, configuration: narrow) { try layers.layer($0) }
  }

  /// Whether the heads of a model can have so many dimensions.
  ///
  /// - Throws: `ReformationError.headsStay` for a model whose heads cannot be narrower, `.headDimension` for a number
  ///   that they cannot have.
  public static func check(_ configuration: ModelConfiguration, dimension: Int) throws {
    if let objection = configuration.narrowHeadsObjection {
      throw ReformationError.headsStay(family: configuration.family.name, objection: objection)
    }
    guard dimension > 0, dimension % 2 == 0, dimension <= configuration.headDimension else {
      throw ReformationError.headDimension(wanted: dimension, whole: configuration.headDimension)
    }
  }

  /// The moments of each layer; `nil` for one without attention. One streaming pass, one layer at a time.
  private static func moments(
    _ parent: Parent, _ windows: TokenWindows, _ statistics: any Statistics, _ monitor: Monitor
  ) throws -> [HeadMoments?] {
    let configuration = parent.configuration
    let pass = ForwardPass(windows)
    let (stream, runner) = (try pass.embed(parent), pass.runner(for: parent))
    let inputs = stream.copy()
    return try configuration.layers.enumerated().map { index, shape in
      let weights = try parent.layer(index)
      var moments: HeadMoments?
      if shape.kvHeads > 0 {
        inputs.assign(stream)
        try runner.normalise(inputs, gain: weights[gain: .attentionNorm])
        let found = try HeadMoments(
          weights, in: configuration, inputs: inputs, windowLength: windows.length,
          outputMoments: outputMoments(statistics, index))
        guard found.isFinite else {
          throw ReformationError.layer(index, module: "heads", problem: "activations are not finite")
        }
        moments = found
      }
      try runner.run(layer: index, weights: weights, stream, observer: nil)
      try monitor.advance(.init(.heads), index + 1, of: configuration.layerCount)
      return moments
    }
  }

  private static func outputMoments(_ statistics: any Statistics, _ index: Int) throws -> Matrix<Float> {
    guard let moments = try statistics.saliencies(of: .sampledLoss, layer: index)?.outputMoments else {
      throw ReformationError.noMoments
    }
    return moments.attention
  }

  private static func sum(_ matrices: [Matrix<Double>]) -> Matrix<Double> {
    let result = Matrix<Double>(rows: matrices[0].rows, columns: matrices[0].columns)
    for matrix in matrices {
      for i in 0..<result.rows { for j in 0..<result.columns { result[i, j] += matrix[i, j] } }
    }
    return result
  }
}
