import Calibration
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Synchronization

/// The damping of the least squares that predicts unseen tokens best.
///
/// A Gram matrix of few tokens fits their noise, and the more so the wider it is; λ holds the weights back toward the inherited
/// ones. In a few layers, spread over the depth, output and down projections are corrected for about three quarters of their
/// units with every candidate λ, and their errors measured on held-out tokens:
///
///     tr(D·G_heldOut·Dᵀ) / tr(W·G_heldOut·Wᵀ),   D = [Ŵ, 0] − W
///
/// The candidate with the smallest geometric mean of these is taken for all.
public struct DampingChoice: Sendable {
  /// Shares of the Gram's mean diagonal.
  public static let candidates = [1e-4, 1e-3, 0.01, 0.1, 1]
  /// Layers that are looked at, at most.
  private static let probes = 6
  /// Outputs of a projection that are looked at, at most, evenly spread: each is an equation of its own.
  private static let outputs = 640

  /// λ as a share of the Gram's mean diagonal.
  public let damping: Double
  /// The geometric mean of the relative held-out errors with each candidate, in their order.
  public let errors: [Double]
  /// The network's residual stream behind its last layer on the held-out windows, shape `[tokens, hidden]`.
  public let residual: Matrix<Float>

  /// - Parameters:
  ///   - statistics: of the calibration.
  ///   - heldOut: windows that are no part of it.
  /// - Throws: `ReformationError` where no candidate has finite errors; what reading and running throw.
  public init(of network: some Network, statistics: any Statistics, heldOut: TokenWindows) throws {
    let configuration = network.configuration
    let last = configuration.layerCount - 1
    let layers = Set((0..<Self.probes).map { $0 * last / (Self.probes - 1) })
    let score = WandaSP()
    let sums = Mutex(Self.candidates.map { _ in 0.0 })
    var count = 0
    residual = try StatisticsPass.run(network, on: heldOut, layers: layers) { index, unseen in
      let layer = try ScoredLayer(index, of: network, for: score, statistics: statistics)
      let ranking = try score.finiteScores(of: layer).ranking
      let shape = layer.shape
      let width = shape.queriesPerGroup * layer.headDimension
      let modules: [(Linear, [Int], Int, Matrix<Float>, Matrix<Float>)] = [
        (
          layer.weights.output, ranking.groups.flatMap { Array($0 * width..<($0 + 1) * width) },
          max(1, shape.kvHeads * 3 / 4) * width, layer.statistics.contextGram, unseen.contextGram
        ),
        (
          layer.weights.down, ranking.channels, max(1, shape.mlpChannels * 3 / 4), layer.statistics.hiddenGram,
          unseen.hiddenGram
        ),
      ]
      for (projection, order, kept, gram, other) in modules where order.count > kept {
        count += 1
        let weight = Self.sample(projection.weight)
        let unseen = other.gatherRows(order).gatherColumns(order)
        let scale = Self.energy(weight.gatherColumns(order), unseen)
        try Threads.forEach(Self.candidates.count, bytesEach: configuration.bytesPerLayerTask) { place, _ in
          // A candidate too small for a singular Gram is none.
          let solver = try? NestedReformation(
            gram: gram, weight: weight, order: order, damping: Self.candidates[place])
          let error =
            solver.map { solver in
              let change = weight.gatherColumns(order)
              Kernels.scale(change.pointer, by: -1, count: change.count)
              let solved = solver.weight(keeping: kept)
              for i in 0..<change.rows { Kernels.add(solved.row(i), to: change.row(i), count: kept) }
              return Self.energy(change, unseen) / scale
            } ?? .infinity
          sums.withLock { $0[place] += error > 0 ? log(error) : -40 }
        }
      }
    }
    let (all, modules) = (sums.withLock { $0 }, Double(max(1, count)))
    let errors = all.map { exp($0 / modules) }
    guard let best = errors.indices.filter({ errors[$0].isFinite }).min(by: { errors[$0] < errors[$1] }) else {
      throw ReformationError.notFinite
    }
    self.errors = errors
    damping = Self.candidates[best]
  }

  private static func sample(_ weight: Matrix<Float>) -> Matrix<Float> {
    if weight.rows <= outputs { return weight }
    return weight.gatherRows((0..<outputs).map { $0 * weight.rows / outputs })
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
