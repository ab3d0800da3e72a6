import LanguageModels
import LinearAlgebra

/// The least-squares correction of a projection whose input columns are pruned, for every width at once.
///
/// If the inputs are in the order of a ranking, every width `s` keeps the first `s` of them. The corrected weight
/// minimises the change of the projection's output on the calibration tokens, with damping toward the inherited weight:
///
///     Ŵ = argmin  E‖Ŵ x[:s] − W x‖² + λ‖Ŵ − W[:, :s]‖²  =  (W H)[:, :s] · H[:s,:s]⁻¹,   H = E[x xᵀ] + λI
///
/// (search-llm, arXiv 2409.17372, section 3.4, in closed form). With `H = L·Lᵀ` and `B = Lᵀ·Wᵀ`
///
///     Ŵᵀ = L[:s,:s]⁻ᵀ · B[:s,:]          and the error at width s is  Σ_{i≥s} ‖B[i,:]‖²
///
/// so one factorisation gives every width's weight by one triangular solve, and the error of all widths for free.
///
/// If the inputs are those of a pruned network, the output that is wanted is `W x + r`: what the projection gives, and
/// what the residual stream lacks behind it. Then with `C = E[x rᵀ]`
///
///     B = Lᵀ·Wᵀ + L⁻¹·C
///
/// and all else stays: of every width the error is that which is above the error of all inputs.
public struct NestedReformation: WidthSolver {
  /// `B`, shape `[inputs, outputs]`.
  private let rotated: Matrix<Double>
  private let factor: any EngineFactor
  /// `errors[s]`: the mean squared error per token of the best weight that keeps the first `s` inputs, damping
  /// included; `inputs + 1` values, not increasing, the last one 0. With gains each output is multiplied by its own.
  public let errors: [Double]

  /// - Parameters:
  ///   - gram: `E[x xᵀ]` in the parent's order, shape `[inputs, inputs]`.
  ///   - weight: shape `[outputs, inputs]`, in the parent's order.
  ///   - order: inputs from the first to the last kept.
  ///   - damping: λ as a share of the mean of the Gram's diagonal.
  ///   - lacking: `C = E[x rᵀ]` in the parent's order, shape `[inputs, outputs]`; `nil` for none.
  ///   - gains: gains of a norm behind the projection; empty for none. They change the errors and no weight.
  ///   - engine: engine that factorises and solves.
  /// - Throws: `ReformationError` if the Gram matrix holds NaN or is singular in spite of the damping.
  public init(
    gram: Matrix<Float>, weight: Matrix<Float>, order: [Int], damping: Double, lacking: Matrix<Float>? = nil,
    gains: [Float] = [], engine: any Engine = CPUEngine()
  ) throws(ReformationError) {
    // For inputs that are zero on the whole calibration the damping keeps the inherited weight.
    let ordered = gram.damped(damping, order: order)
    do { factor = try engine.factor(ordered) } catch {
      throw gram.elements.allSatisfy { $0.isFinite } ? .singular(damping: damping) : .notFinite
    }
    let rotated = weight.columnsAsRows(order)
    factor.multiplyTransposed(rotated)
    if let lacking {
      let change = lacking.gatherRows(order).widened()
      factor.solveLower(change)
      for i in 0..<rotated.rows {
        let (sum, row) = (rotated.row(i), change.row(i))
        for j in 0..<rotated.columns { sum[j] += row[j] }
      }
    }
    self.rotated = rotated
    var weighted = rotated
    if !gains.isEmpty {
      weighted = rotated.copy()
      let squares = gains.map { Double($0) * Double($0) }
      for i in 0..<weighted.rows { for j in squares.indices { weighted[i, j] *= squares[j] } }
    }
    errors = Self.tails(rotated, weighted)
    guard errors[0].isFinite else { throw .notFinite }
  }

  /// `Σ_{i≥s} A[i,:]·B[i,:]ᵀ` for every `s`, from 0 to the number of rows.
  private static func tails(_ a: Matrix<Double>, _ b: Matrix<Double>) -> [Double] {
    var tails = Array(repeating: 0.0, count: a.rows + 1)
    for i in stride(from: a.rows - 1, through: 0, by: -1) {
      let (x, y) = (a.row(i), b.row(i))
      var sum = 0.0
      for j in 0..<a.columns { sum += x[j] * y[j] }
      tails[i] = tails[i + 1] + sum
    }
    return tails
  }

  public var inputs: Int { factor.order }

  var byteCount: Int { inputs * (inputs + rotated.columns) * MemoryLayout<Double>.size }

  /// The loss that the error of every width adds, to second order: `½ Σ_{i≥s} B[i,:]·S·B[i,:]ᵀ`, in nats.
  ///
  /// - Parameter moments: `S = E[g gᵀ]` at the projection's output (`BackwardPass.OutputMoments`), shape `[outputs,
  ///   outputs]`.
  /// - Returns: as `errors`.
  public func lossErrors(_ moments: Matrix<Float>) -> [Double] {
    let weighted = Matrix<Double>(rows: rotated.rows, columns: rotated.columns)
    multiply(rotated, moments.widened(), into: weighted)
    return Self.tails(rotated, weighted).map { $0 / 2 }
  }

  /// The terms that errors of widths add to the loss of single tokens, to first order and with the opposite sign:
  /// `z_s = Σ_{i≥s} α_i·β_i` with `α = L⁻¹·x` and `β = B·g`. It is exact: the error of width `s` is `−B[s:,:]ᵀ·α[s:]`.
  ///
  /// - Parameters:
  ///   - inputs: `x`, shape `[tokens, inputs]`, in the parent's order.
  ///   - order: inputs from the first to the last kept.
  ///   - gradients: `g` at the projection's outputs, shape `[tokens, outputs]`.
  ///   - widths: ascending.
  /// - Returns: shape `[tokens, widths]`.
  func lossTerms(
    _ inputs: Matrix<Float>, order: [Int], _ gradients: Matrix<Float>, keeping widths: [Int]
  ) -> Matrix<Float> {
    let narrowed = rotated.transposedNarrowed()
    return LossTerms.inBlocks(inputs, gradients, keeping: widths) { inputs, gradients in
      let alpha = inputs.columnsAsRows(order)
      factor.solveLower(alpha)
      let beta = Matrix<Float>(uninitialized: gradients.rows, columns: narrowed.columns)
      multiply(gradients, narrowed, into: beta)
      return (alpha.transposedNarrowed(), beta)
    }
  }

  /// The corrected weight that keeps the first `width` inputs, shape `[outputs, width]`.
  public func weight(keeping width: Int) -> Matrix<Float> {
    let solution = rotated.rows(0..<width).copy()
    factor.solveLowerTransposed(solution)
    return solution.transposedNarrowed()
  }
}

public enum ReformationError: Error, Equatable, CustomStringConvertible {
  case notFinite
  case singular(damping: Double)
  case layer(Int, module: String, problem: String)
  case noMoments
  case expertsTakeNoBias
  case expertsHaveNoPrefix
  case roundsNeedCurves
  case unknownCalibration(name: String, known: [String])
  case headsStay(family: String, objection: String)
  case headDimension(wanted: Int, whole: Int)

  public var description: String {
    switch self {
    case .notFinite: "the calibration statistics are not finite"
    case .singular(let damping):
      "the Gram matrix is singular with damping \(damping); calibrate on more tokens or raise the damping"
    case .expertsTakeNoBias:
      "repair 'bias' adds a bias to the MLP, and a mixture of experts has no place for one"
    case .expertsHaveNoPrefix:
      "the experts of a mixture cannot be chosen in rounds: which tokens they get depends on the experts that stay"
    case .roundsNeedCurves:
      "rounds take widths from error curves: every layer needs widths of its own, and candidates the nested repair"
    case .noMoments: "error curves in the metric of the loss need its gradients, and none were gathered"
    case .unknownCalibration(let name, let known):
      "unknown calibration set '\(name)' (known: \(known.joined(separator: ", ")))"
    case .headsStay(let family, let objection):
      "the heads of this model cannot be made narrower: a model of the family '\(family)' that \(objection)"
    case .headDimension(let wanted, let whole):
      "the heads of this model have \(whole) dimensions; narrower ones have an even number from 2 to \(whole), not \(wanted)"
    case .layer(let index, let module, let problem): "repair of layer \(index), \(module): \(problem)"
    }
  }
}

/// Gives a projection's corrected weight for any number of inputs kept, in the order of a ranking.
protocol WidthSolver: Sendable {
  /// Shape `[outputs, width]`.
  func weight(keeping width: Int) -> Matrix<Float>
  /// Bytes held.
  var byteCount: Int { get }
}

/// The correction of projections whose inputs were pruned.
public enum Repair: String, Sendable, CaseIterable, Codable {
  /// Nothing: the inherited columns as they are.
  case none
  /// The mean contribution of the removed inputs, as a bias (FLAP, arXiv 2312.11983, section 4.3).
  case bias
  /// Least squares that is exact for every width of a ranking (`NestedReformation`).
  case nested
  /// Least squares as search-llm iterates toward it; `nested` is its limit and faster.
  case admm
  /// Least squares on the activations of the pruned network, layer after layer (`SequentialReformation`). A layer alone
  /// keeps its inherited weights.
  case sequential
  /// `sequential`, and steps in the loss itself in closed form behind it (`LossStep`). A layer alone keeps its
  /// inherited weights.
  case gaussNewton = "gauss-newton"
  /// `sequential`, and a short training of all weights behind it (`Descent`). A layer alone keeps its inherited
  /// weights.
  case descent
}
