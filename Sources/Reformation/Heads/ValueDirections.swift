import LinearAlgebra

/// The directions of a KV group's values that stay.
///
/// Values can be turned freely: with any invertible `T`, values `T·v` and columns `O·T⁻¹` of the output projection are
/// the same layer. With the context `c` of a query head, its second moments `C = E[c cᵀ]` and its cost `Q = OᵀSO`,
/// directions `A` of shape `[D, k]` and the best columns for them lose
///
///     Σ_heads tr( Q·(C − C A (AᵀC A)⁻¹ AᵀC) )
///
/// over the heads of the group, which share `A`. With one head the best `A` is known: the leading eigenvectors of
/// `C^½ Q C^½`, multiplied by `C^−½`. That is the start with several, with the sums of `C` and `Q`. Then `A` and the
/// columns are improved in turns; each is a least-squares problem.
struct ValueDirections {
  /// `E[c cᵀ]` of each head of the group, positive definite, shape `[D, D]`.
  let moments: [Matrix<Double>]
  /// `OᵀSO` of each head, shape `[D, D]`.
  let costs: [Matrix<Double>]

  /// Orthonormal directions, shape `[D, k]`.
  ///
  /// - Parameter rounds: number of times that directions and columns are improved in turns.
  func directions(_ count: Int, rounds: Int) throws -> Matrix<Double> {
    var best = try orthonormal(start(count))
    var error = try loss(best)
    for _ in 0..<(moments.count > 1 ? rounds : 0) {
      let next = try orthonormal(improved(best))
      let found = try loss(next)
      guard found < error * (1 - 1e-6) else { break }
      (best, error) = (next, found)
    }
    return best
  }

  /// The loss without all other directions, in nats as `S` has them but for the factor ½.
  func loss(_ directions: Matrix<Double>) throws -> Double {
    try zip(moments, costs).reduce(0.0) { sum, head in
      let (moments, cost) = head
      // tr(Q·C) − tr(Zᵀ·Q·C·A), with the columns Z.
      let product = Self.product(cost, Self.product(moments, directions))
      return try sum + Self.inner(cost, moments) - Self.inner(columns(directions, moments), product)
    }
  }

  /// `Z = C A (AᵀC A)⁻¹`: a head's columns are `O·Z`, shape `[D, k]`.
  private func columns(_ directions: Matrix<Double>, _ moments: Matrix<Double>) throws -> Matrix<Double> {
    let half = Self.product(moments, directions)
    let factor = try CholeskyFactor(factorising: Self.product(directions, half, transposingA: true))
    let solution = half.transposed()
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    return solution.transposed()
  }

  private func start(_ count: Int) -> Matrix<Double> {
    let (moments, costs) = (Self.sum(moments), Self.sum(costs))
    let (root, inverse) = Self.roots(moments)
    let vectors = SymmetricEigenvalues(Self.product(root, Self.product(costs, root))).vectors.rows(0..<count)
    let result = Matrix<Double>(rows: moments.rows, columns: count)
    multiply(inverse, vectors, transposingB: true, into: result)
    return result
  }

  /// The `A` that is best for the columns of another: `Σ C A B = Σ C Q Z` with `B = ZᵀQZ`, by conjugate gradients.
  private func improved(_ directions: Matrix<Double>) throws -> Matrix<Double> {
    let columns = try moments.map { try self.columns(directions, $0) }
    let weighted = zip(costs, columns).map { Self.product($0, $1) }
    let squares = zip(columns, weighted).map { Self.product($0, $1, transposingA: true) }
    func operation(_ x: Matrix<Double>) -> Matrix<Double> {
      Self.sum(zip(moments, squares).map { Self.product(Self.product($0, x), $1) })
    }
    let goal = Self.sum(zip(moments, weighted).map { Self.product($0, $1) })
    let solution = directions.copy()
    let rest = goal.copy()
    Self.add(operation(solution), -1, to: rest)
    let step = rest.copy()
    var square = Self.inner(rest, rest)
    let limit = 1e-14 * Self.inner(goal, goal)
    for _ in 0..<100 where square > limit {
      let image = operation(step)
      let length = square / Self.inner(step, image)
      Self.add(step, length, to: solution)
      Self.add(image, -length, to: rest)
      let next = Self.inner(rest, rest)
      Self.scale(step, by: next / square)
      Self.add(rest, 1, to: step)
      square = next
    }
    return solution
  }

  /// The same span with orthonormal columns.
  private func orthonormal(_ directions: Matrix<Double>) throws -> Matrix<Double> {
    var result = directions
    // Once leaves errors of rounding if the columns are nearly dependent.
    for _ in 0..<2 {
      let factor = try CholeskyFactor(factorising: Self.product(result, result, transposingA: true))
      let rows = result.transposed()
      factor.solveLower(rows)
      result = rows.transposed()
    }
    return result
  }

  // MARK: - Small matrices

  /// `C^½` and `C^−½`.
  private static func roots(_ matrix: Matrix<Double>) -> (root: Matrix<Double>, inverse: Matrix<Double>) {
    let eigen = SymmetricEigenvalues(matrix)
    let least = 1e-12 * max(eigen.values.first ?? 0, .leastNormalMagnitude)
    func power(_ exponent: (Double) -> Double) -> Matrix<Double> {
      let scaled = eigen.vectors.copy()
      for (i, value) in eigen.values.enumerated() {
        let factor = exponent(max(value, least))
        for j in 0..<scaled.columns { scaled[i, j] *= factor }
      }
      return product(eigen.vectors, scaled, transposingA: true)
    }
    return (power { $0.squareRoot() }, power { 1 / $0.squareRoot() })
  }

  static func product(_ a: Matrix<Double>, _ b: Matrix<Double>, transposingA: Bool = false) -> Matrix<Double> {
    let result = Matrix<Double>(rows: transposingA ? a.columns : a.rows, columns: b.columns)
    multiply(a, b, transposingA: transposingA, into: result)
    return result
  }

  private static func sum(_ matrices: [Matrix<Double>]) -> Matrix<Double> {
    let result = matrices[0].copy()
    for matrix in matrices.dropFirst() { add(matrix, 1, to: result) }
    return result
  }

  private static func add(_ x: Matrix<Double>, _ factor: Double, to y: Matrix<Double>) {
    for i in 0..<y.rows {
      let (source, target) = (x.row(i), y.row(i))
      for j in 0..<y.columns { target[j] += factor * source[j] }
    }
  }

  private static func scale(_ x: Matrix<Double>, by factor: Double) {
    for i in 0..<x.rows { for j in 0..<x.columns { x[i, j] *= factor } }
  }

  private static func inner(_ a: Matrix<Double>, _ b: Matrix<Double>) -> Double {
    var sum = 0.0
    for i in 0..<a.rows { for j in 0..<a.columns { sum += a[i, j] * b[i, j] } }
    return sum
  }
}
