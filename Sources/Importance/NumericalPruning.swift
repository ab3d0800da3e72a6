import LinearAlgebra

/// The numerical score (Numerical Pruning, arXiv 2412.12441, section 3.2), in closed form.
///
/// A relaxed mask `z` over the inputs of `o_proj` or `down_proj` minimises
///
///     ½ E‖W x − W (z ∘ x)‖² + ½ λ (Σz − r)²,     A = (WᵀW) ∘ E[x xᵀ]
///
/// The paper iterates Newton's method fifty times. The objective is quadratic, so one step is exact:
///
///     z = 1 − c·u,   u = A⁻¹·1,   c = λ(D − r) / (1 + λ Σu)
///
/// The order within a module depends on neither λ nor r. As λ grows, `c → (D − r)/Σu`, and the order across modules
/// does not depend on the ratio either. This score is that limit for the removal of everything, `1 − D·u/Σu`. A group's
/// score is the mean over its columns. `A` is damped by a hundredth of its mean diagonal.
public struct NumericalPruning: Importance {
  private static let damping = 0.01

  public init() {}

  public let name = "numerical"
  public let summary = "relaxed mask of least output error, in closed form"
  public let source = "Numerical Pruning, arXiv 2412.12441, section 3.2"

  public let ranksExperts = false

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    if layer.weights.hasExperts { throw ImportanceError.noExperts(score: name) }
    let contexts = try scores(layer.weightToStream(.attention), layer.statistics.contextGram, layer)
    let channels = try scores(layer.weightToStream(.mlp), layer.statistics.hiddenGram, layer)
    let width = Float(layer.shape.queriesPerGroup * layer.headDimension)
    return UnitScores(groups: layer.foldColumns(contexts).map { $0 / width }, channels: channels)
  }

  private func scores(_ weight: Matrix<Float>, _ gram: Matrix<Float>, _ layer: ScoredLayer) throws -> [Float] {
    if gram.rows == 0 { return [] }
    let system = Self.system(weight: weight, gram: gram).damped(Self.damping)
    guard let u = Self.solution(of: system) else {
      throw ImportanceError.notFinite(score: name, layer: layer.index)
    }
    let sum = u.reduce(0, +)
    return u.map { Float(1 - Double(u.count) * $0 / sum) }
  }

  /// `A = (WᵀW) ∘ G`, shape `[inputs, inputs]`.
  static func system(weight: Matrix<Float>, gram: Matrix<Float>) -> Matrix<Float> {
    let result = Matrix<Float>(rows: gram.rows, columns: gram.columns)
    multiply(weight, weight, transposingA: true, into: result)
    for i in 0..<result.rows {
      let (target, source) = (result.row(i), gram.row(i))
      for j in 0..<result.columns { target[j] *= source[j] }
    }
    return result
  }

  /// `A⁻¹·1`; overwrites the matrix.
  private static func solution(of system: Matrix<Double>) -> [Double]? {
    guard let factor = try? CholeskyFactor(factorising: system) else { return nil }
    let ones = Matrix<Double>(rows: system.rows, columns: 1)
    ones.fill(1)
    factor.solveLower(ones)
    factor.solveLowerTransposed(ones)
    return ones.elements
  }
}
