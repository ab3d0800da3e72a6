import LinearAlgebra

/// The rest of a projection while its inputs are removed (`LossOBS` has the formulas).
struct Elimination {
  /// `[H⁻¹]` of the inputs of `units`; zeros in the rows and columns of removed inputs.
  private var inverse: Matrix<Double>
  /// `Wᵀ·R` with `S = R·Rᵀ`, so that `‖row‖²` is `w S wᵀ`; shape `[inputs, outputs]`.
  private var weight: Matrix<Double>
  /// `H·Wᵀ` as it was at first, if a cost has a first-order term; shape `[inputs, outputs]`.
  private var slopes: Matrix<Double>?
  /// The units that the matrices hold.
  private var units: [Int]
  /// Places in `units` of the units that are left.
  private var left: [Int]
  private let width: Int
  /// λ of `H` as a share of the Gram's mean diagonal.
  private static let damping = 0.01

  /// Units of `width` inputs in the order in which they are removed, all of them.
  ///
  /// - Parameters:
  ///   - moments: `S`, shape `[outputs, outputs]`; `nil` for the identity.
  ///   - atOnce: number of units that are removed together.
  ///   - withSlopes: whether the cost has the first-order term of `LocalPruning`.
  /// - Throws: `ImportanceError.notFinite` in the name of the score.
  static func removals(
    weight: Matrix<Float>, gram: Matrix<Float>, moments: Matrix<Float>?, width: Int, atOnce: Int,
    withSlopes: Bool = false, score: String, layer: Int
  ) throws -> [Int] {
    if gram.rows == 0 { return [] }
    do {
      var elimination = try Elimination(
        weight: weight, gram: gram.damped(damping), moments: moments?.damped(1e-6), width: width,
        withSlopes: withSlopes)
      return try elimination.run(atOnce: atOnce)
    } catch { throw ImportanceError.notFinite(score: score, layer: layer) }
  }

  /// The weights of all inputs that make up for what the outputs lack, `W + ([H⁻¹] C)ᵀ`: where an elimination begins.
  ///
  /// - Parameter lacking: `C = E[x rᵀ]` of what the outputs lack, shape `[inputs, outputs]`; `nil` for none.
  /// - Throws: `ImportanceError.notFinite` in the name of the score.
  static func start(
    _ weight: Matrix<Float>, gram: Matrix<Float>, lacking: Matrix<Float>?, score: String, layer: Int
  ) throws -> Matrix<Float> {
    guard let lacking, gram.rows > 0 else { return weight }
    do {
      let factor = try CholeskyFactor(factorising: gram.damped(damping))
      let change = lacking.widened()
      factor.solveLower(change)
      factor.solveLowerTransposed(change)
      let (result, added) = (weight.copy(), change.transposedNarrowed())
      Kernels.add(added.pointer, to: result.pointer, count: result.count)
      return result
    } catch { throw ImportanceError.notFinite(score: score, layer: layer) }
  }

  private init(
    weight: Matrix<Float>, gram: Matrix<Double>, moments: Matrix<Double>?, width: Int, withSlopes: Bool
  ) throws {
    let inputs = gram.rows
    self.width = width
    units = Array(0..<inputs / width)
    left = units
    let rotated = weight.widened()
    if let moments { try CholeskyFactor(factorising: moments).multiplyTransposed(rotated) }
    self.weight = rotated.transposed()
    if withSlopes {
      let product = Matrix<Double>(rows: inputs, columns: self.weight.columns)
      multiply(gram, self.weight, into: product)
      slopes = product
    }
    try CholeskyFactor.invert(gram)
    inverse = gram
  }

  private mutating func run(atOnce: Int) throws -> [Int] {
    var removed: [Int] = []
    while left.count > 1 {
      let costs = try left.map { try cost($0) }
      guard costs.allSatisfy(\.isFinite) else {
        throw LinearAlgebraError.notPositiveDefinite(order: 0, size: left.count)
      }
      let order = costs.indices.sorted { (costs[$0], $0) < (costs[$1], $1) }
      let next = order.prefix(min(atOnce, left.count - 1)).map { left[$0] }
      try remove(next)
      removed += next.map { units[$0] }
      if left.count * 8 <= units.count * 7 { compact() }
    }
    return removed + left.map { units[$0] }
  }

  /// Drops the rows and columns of zeros.
  private mutating func compact() {
    let inputs = left.flatMap { Array(rows($0)) }
    inverse = inverse.gatherRows(inputs).gatherColumns(inputs)
    weight = weight.gatherRows(inputs)
    slopes = slopes?.gatherRows(inputs)
    units = left.map { units[$0] }
    left = Array(units.indices)
  }

  /// The inputs of the unit at a place in `units`.
  private func rows(_ place: Int) -> Range<Int> { place * width..<(place + 1) * width }

  /// `tr( W_bᵀ S W_b · ([H⁻¹]_bb)⁻¹ )`, and twice the first-order term if there is one.
  private func cost(_ place: Int) throws -> Double {
    let part = weight.rows(rows(place))
    return try curvature(place, part) + (slopes.map { 2 * abs(inner(part, $0.rows(rows(place)))) } ?? 0)
  }

  private func curvature(_ place: Int, _ part: Matrix<Double>) throws -> Double {
    if width == 1 { return energy(part) / inverse[place, place] }
    let solved = part.copy()
    try CholeskyFactor(factorising: inverse.rows(rows(place)).columns(rows(place)).copy()).solveLower(solved)
    return energy(solved)
  }

  /// Removes the units at these places and adjusts the others.
  private mutating func remove(_ places: [Int]) throws {
    let out = places.flatMap { Array(rows($0)) }
    // With [H⁻¹]_RR = F·Fᵀ: F⁻¹·[H⁻¹]_R· and F⁻¹·W_R.
    let coupling = inverse.gatherRows(out)
    let factor = try CholeskyFactor(factorising: coupling.gatherColumns(out))
    factor.solveLower(coupling)
    let lost = weight.gatherRows(out)
    factor.solveLower(lost)
    multiply(coupling, coupling, transposingA: true, scale: -1, accumulate: 1, into: inverse)
    multiply(coupling, lost, transposingA: true, scale: -1, accumulate: 1, into: weight)
    let gone = Set(places)
    left.removeAll(where: gone.contains)
  }
}
