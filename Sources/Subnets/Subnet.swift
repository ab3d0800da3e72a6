import LanguageModels
import LinearAlgebra
import Runtime

/// A network that inherits some units of a parent, with its layers in memory or made on demand.
///
/// Embedding and head are the parent's own, and the final norm if it was not trained.
public struct Subnet<Parent: Network>: Network {
  public let parent: Parent
  public let configuration: ModelConfiguration
  private let makeLayer: @Sendable (Int) throws -> LayerWeights
  public let finalNorm: [Float]

  public var engine: any Engine { parent.engine }
  public var memory: MemoryPlan { parent.memory }
  public var embedding: Matrix<Float> { parent.embedding }
  public var head: Matrix<Float> { parent.head }
  public func layer(_ index: Int) throws -> LayerWeights { try makeLayer(index) }
}

extension Subnet {
  /// - Parameters:
  ///   - layer: the weights of layer `index`, of the widths in `layers[index]`.
  ///   - expertChannels: channels of every expert; `nil` for all.
  public init(
    of parent: Parent, layers: [LayerShape], expertChannels: Int? = nil,
    layer: @escaping @Sendable (_ index: Int) throws -> LayerWeights
  ) {
    let configuration = parent.configuration.with(layers: layers).with(expertChannels: expertChannels)
    self.init(parent: parent, configuration: configuration, makeLayer: layer, finalNorm: parent.finalNorm)
  }

  /// A network of another shape than the parent's, such as one with narrower heads.
  ///
  /// - Parameter layer: the weights of layer `index`, of the shape that the configuration says.
  public init(
    of parent: Parent, configuration: ModelConfiguration,
    layer: @escaping @Sendable (_ index: Int) throws -> LayerWeights
  ) {
    self.init(parent: parent, configuration: configuration, makeLayer: layer, finalNorm: parent.finalNorm)
  }

  /// The subnet that keeps the given units with the parent's weights as they are.
  public init(of parent: Parent, keeping units: [KeptUnits]) {
    let shapes = parent.configuration.layers
    let dimension = parent.configuration.headDimension
    let expertChannels = units.lazy.compactMap { $0.expertChannels?.first?.count }.first
    self.init(of: parent, layers: zip(units, shapes).map { $0.shape(of: $1) }, expertChannels: expertChannels) {
      index in
      try parent.layer(index).inherit(units[index], from: shapes[index], headDimension: dimension)
    }
  }

  /// The subnet with biases on `output` and `down`, for repairs that add them to its layers. The configuration names
  /// them, and each bias that a layer lacks (of gate and up, and of unrepaired layers) is zero. A layer without
  /// attention or MLP has no such projection, and so no bias.
  public func withOutputBiases() -> Subnet {
    let configuration = configuration.addingOutputBiases
    return Subnet(
      parent: parent, configuration: configuration,
      makeLayer: { [makeLayer] in try makeLayer($0).fillingBiases(for: configuration) }, finalNorm: finalNorm)
  }

  /// The subnet of the same shape with other weights.
  ///
  /// - Parameter finalNorm: `nil` for the one that it has.
  public func withLayers(
    finalNorm: [Float]? = nil, _ layer: @escaping @Sendable (_ index: Int) throws -> LayerWeights
  ) -> Subnet {
    Subnet(
      parent: parent, configuration: configuration, makeLayer: layer, finalNorm: finalNorm ?? self.finalNorm)
  }
}
