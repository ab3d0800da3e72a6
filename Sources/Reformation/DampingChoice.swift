import Calibration
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Runtime
import Synchronization

/// The damping of the least squares that predicts unseen tokens best.
///
/// A Gram matrix of few tokens fits their noise, and a wider one fits more of it. λ holds the weights back toward the
/// inherited ones. In a few layers, spread over the depth, output and down projections are corrected for about three
/// quarters of their units with every candidate λ, and their errors are measured on held-out tokens:
///
///     tr(D·G_heldOut·Dᵀ) / tr(W·G_heldOut·Wᵀ),   D = [Ŵ, 0] − W
///
/// The candidate with the smallest geometric mean of these is taken for all.
public struct DampingChoice: Sendable {
  /// Shares of the Gram's mean diagonal.
  public static let candidates = [1e-4, 1e-3, 0.01, 0.1, 1]
  /// Largest number of layers that are tried.
  private static let probes = 6
  /// Largest number of outputs of a projection that are tried, evenly spread: each is an equation of its own.
  private static let outputs = 640

  /// λ as a share of the Gram's mean diagonal.
  public let damping: Double
  /// The geometric mean of the relative held-out errors with each candidate, in their order.
  public let errors: [Double]
  /// The network's residual stream behind its last layer on the held-out windows, shape `[tokens, hidden]`.
  public let residual: Matrix<Float>

  /// - Parameters:
  ///   - statistics: statistics of the calibration.
  ///   - heldOut: windows outside of the calibration.
  /// - Throws: `ReformationError` if no candidate has finite errors; the errors of reading and running.
  public init(of network: some Network, statistics: any Statistics, heldOut: TokenWindows) throws {
    let configuration = network.configuration
    let last = configuration.layerCount - 1
    let layers = Set((0..<Self.probes).map { $0 * last / (Self.probes - 1) })
    let score = WandaSP()
    // By module, so that they are added in one order.
    let sums = Mutex((0..<2).map { _ in Self.candidates.map { _ in 0.0 } })
    var count = 0
    residual = try StatisticsPass.run(network, on: heldOut, layers: layers) { index, unseen in
      let layer = try ScoredLayer(index, of: network, for: score, statistics: statistics)
      let ranking = try score.finiteScores(of: layer).ranking
      let shape = layer.shape
      let width = shape.queriesPerGroup * layer.headDimension
      let modules = [
        layer.weights.hasExperts
          ? nil
          : Module(
            layer.weights.down, ranking.channels, kept: max(1, shape.mlpChannels * 3 / 4), layer.statistics.hiddenGram,
            unseen: unseen.hiddenGram),
        Module(
          layer.weights.output, ranking.groups.flatMap { Array($0 * width..<($0 + 1) * width) },
          kept: max(1, shape.kvHeads * 3 / 4) * width, layer.statistics.contextGram, unseen: unseen.contextGram),
      ].compactMap { $0 }
      count += modules.count
      let candidates = Self.candidates.count
      let most = network.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
      try Threads.forEach(modules.count * candidates, atMost: most) { task, _ in
        let (module, place) = (task / candidates, task % candidates)
        let error = modules[module].error(damping: Self.candidates[place])
        sums.withLock { $0[module][place] += error > 0 ? log(error) : -40 }
      }
    }
    let modules = Double(max(1, count))
    let errors = sums.withLock { sums in zip(sums[0], sums[1]).map { exp(($0 + $1) / modules) } }
    guard let best = errors.indices.filter({ errors[$0].isFinite }).min(by: { errors[$0] < errors[$1] }) else {
      throw ReformationError.notFinite
    }
    self.errors = errors
    damping = Self.candidates[best]
  }

  /// A projection, and the data on which its corrected weights are tried.
  private struct Module: Sendable {
    private let gram: Matrix<Float>
    /// The weights of the outputs that are tried.
    private let weight: Matrix<Float>
    private let order: [Int]
    private let kept: Int
    /// The held-out Gram matrix, and the weights, in the order.
    private let unseen: Matrix<Float>
    private let ordered: Matrix<Float>
    private let energy: Double

    /// - Returns: `nil` if all units are kept.
    init?(_ projection: Linear, _ order: [Int], kept: Int, _ gram: Matrix<Float>, unseen: Matrix<Float>) {
      if order.count <= kept { return nil }
      (self.gram, self.order, self.kept) = (gram, order, kept)
      let (all, most) = (projection.weight, DampingChoice.outputs)
      weight = all.rows <= most ? all : all.gatherRows((0..<most).map { $0 * all.rows / most })
      ordered = weight.gatherColumns(order)
      self.unseen = unseen.gatherRows(order).gatherColumns(order)
      energy = Self.energy(ordered, self.unseen)
    }

    /// Relative held-out error; not finite if the damping is too small for a singular Gram matrix.
    func error(damping: Double) -> Double {
      guard let solver = try? NestedReformation(gram: gram, weight: weight, order: order, damping: damping) else {
        return .infinity
      }
      let change = ordered.copy()
      Kernels.scale(change.pointer, by: -1, count: change.count)
      let solved = solver.weight(keeping: kept)
      for i in 0..<change.rows { Kernels.add(solved.row(i), to: change.row(i), count: kept) }
      return Self.energy(change, unseen) / energy
    }

    /// `tr(W·G·Wᵀ)`.
    private static func energy(_ weight: Matrix<Float>, _ gram: Matrix<Float>) -> Double {
      let product = Matrix<Float>(rows: weight.rows, columns: weight.columns)
      multiply(weight, gram, into: product)
      return (0..<weight.rows).reduce(0.0) {
        $0 + Double(Kernels.dot(product.row($1), weight.row($1), count: weight.columns))
      }
    }
  }
}
