import LinearAlgebra
import Runtime

/// The engine that every machine has: our packed products for the forward direction, BLAS for gradients, Gram matrices and
/// factors, on all cores.
public struct CPUEngine: Engine {
  public let name = EngineKind.cpu.rawValue
  private let queryBlock: Int

  /// - Parameter queryBlock: number of query rows that attention handles at once on the way back: few enough to waste little on
  ///   what is masked, many enough for fast products.
  public init(queryBlock: Int = 128) { self.queryBlock = queryBlock }

  public func prepare(
    _ weights: LayerWeights, of configuration: ModelConfiguration, _ precision: Precision
  ) -> any PreparedLayer { PackedLayer(weights, precision) }

  public func bytes(
    ofPrepared shape: LayerShape, in configuration: ModelConfiguration, _ precision: Precision
  ) -> Int { PackedLayer.byteCount(shape, in: configuration, precision) }

  public func pass(
    over windows: TokenWindows, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass {
    ForwardPass.LayerRunner(configuration, ForwardPass(windows), streams: streams, precision: precision)
  }

  public func pass(
    over trees: TokenTrees, through configuration: ModelConfiguration, streams: Int, _ precision: Precision
  ) -> any EnginePass {
    ForwardPass.LayerRunner(configuration, trees, streams: streams, precision: precision)
  }

  public func backward(over windows: TokenWindows, through configuration: ModelConfiguration) -> any EngineBackward {
    LaneBackward(windows, configuration, queryBlock: queryBlock)
  }

  public func head(_ weight: Matrix<Float>, cap: Float?, _ precision: Precision) -> any EngineHead {
    OutputHead(head: weight, cap: cap, precision: precision)
  }

  public func addGram(of x: Matrix<Float>, to gram: Matrix<Float>) { accumulateGram(x, accumulate: 1, into: gram) }

  public func factor(_ matrix: Matrix<Double>) throws -> any EngineFactor { try CholeskyFactor(factorising: matrix) }

  public func decoder<Model: Network>(
    _ network: Model, sequences: Int, capacity: Int, _ precision: Precision
  ) -> any EngineDecoder {
    Generator(network, sequences: sequences, capacity: capacity, precision: precision)
  }
}

extension PackedLayer: PreparedLayer {}
extension ForwardPass.LayerRunner: EnginePass {}
extension OutputHead: EngineHead {}
extension CholeskyFactor: EngineFactor where Scalar == Double {}
extension Generator: EngineDecoder {}
