import LinearAlgebra

/// Forward selection by what a unit adds to those already kept (our own).
///
/// With units `K` kept and the projection repaired by least squares, the output error is `tr(W·C·Wᵀ)`. `C` is the Schur
/// complement of the Gram matrix `G` on `K`: the part of the inputs that the kept ones cannot predict. If unit `b` is
/// kept as well, the error falls by
///
///     gain(b) = tr( M_b · C_bb⁻¹ · M_bᵀ ),   M = W·C
///
/// The unit with the largest gain is kept next: a pivoted Cholesky factorisation with the output error as the pivot
/// rule. Other scores look at one unit at a time and keep two units that carry the same information. The scores are
/// ranks as shares of 1; the unit that is kept first has the highest.
public struct GreedySelection: Importance {
  private let damping = 0.01

  public let name = "greedy"
  public let summary = "units in the order in which each most lowers the repaired output error"
  public let source = "nas-search, pivoted Cholesky on the output error"

  public func scores(of layer: ScoredLayer) throws -> UnitScores {
    let width = layer.shape.queriesPerGroup * layer.headDimension
    let groups = try order(
      weight: layer.weightToStream(.attention), gram: layer.statistics.contextGram, width: width, layer)
    if layer.weights.hasExperts {
      return UnitScores(
        groups: UnitScores(keepingGroups: groups, channels: []).groups, channels: layer.expertErrors().map { Float($0) }
      )
    }
    let channels = try order(weight: layer.weightToStream(.mlp), gram: layer.statistics.hiddenGram, width: 1, layer)
    return UnitScores(keepingGroups: groups, channels: channels)
  }

  /// Blocks of `width` inputs in the order in which they are kept.
  ///
  /// `lower` holds the columns of the pivoted Cholesky factor so far, `cross` is `Mᵀ`, `own` the blocks `C_bb`.
  func order(weight: Matrix<Float>, gram: Matrix<Float>, width: Int, _ layer: ScoredLayer) throws -> [Int] {
    let inputs = gram.rows
    if inputs == 0 { return [] }
    let full = gram.damped(damping)
    let cross = Matrix<Double>(rows: inputs, columns: weight.rows)
    multiply(full, weight.widened(), transposingB: true, into: cross)
    let lower = Matrix<Double>(rows: inputs, columns: inputs)
    let blocks = (0..<inputs / width).map { $0 * width..<($0 + 1) * width }
    let own = blocks.map { full.rows($0).columns($0).copy() }
    var left = Array(blocks.indices)
    var order: [Int] = []
    while !left.isEmpty {
      var best: (place: Int, gain: Double)?
      for (place, block) in left.enumerated() {
        let gain = try gain(cross.rows(blocks[block]), own[block], layer)
        if best.map({ gain > $0.gain }) ?? true { best = (place, gain) }
      }
      guard let best, best.gain.isFinite else { throw ImportanceError.notFinite(score: name, layer: layer.index) }
      let block = left.remove(at: best.place)
      let rows = blocks[block]
      let done = order.count * width
      order.append(block)
      if left.isEmpty { break }
      // The new columns of the factor: C[:,b]·F⁻ᵀ with C_bb = F·Fᵀ, formed as transposed rows.
      let columns = full.rows(rows).copy()
      if done > 0 {
        multiply(
          lower.rows(rows).columns(0..<done), lower.columns(0..<done), transposingB: true, scale: -1, accumulate: 1,
          into: columns)
      }
      let factor = try factor(own[block].copy(), layer)
      factor.solveLower(columns)
      let kept = cross.rows(rows).copy()
      factor.solveLower(kept)
      multiply(columns, kept, transposingA: true, scale: -1, accumulate: 1, into: cross)
      for i in 0..<width {
        let row = columns.row(i)
        for j in 0..<inputs { lower[j, done + i] = row[j] }
      }
      for other in left {
        let part = columns.columns(blocks[other])
        if width == 1 {
          own[other][0, 0] -= part[0, 0] * part[0, 0]
        } else {
          multiply(part, part, transposingA: true, scale: -1, accumulate: 1, into: own[other])
        }
      }
    }
    return order
  }

  private func gain(_ cross: Matrix<Double>, _ own: Matrix<Double>, _ layer: ScoredLayer) throws -> Double {
    if own.rows == 1 { return energy(cross) / own[0, 0] }
    let solved = cross.copy()
    try factor(own.copy(), layer).solveLower(solved)
    return energy(solved)
  }

  private func factor(_ matrix: Matrix<Double>, _ layer: ScoredLayer) throws -> CholeskyFactor<Double> {
    do { return try CholeskyFactor(factorising: matrix) } catch {
      throw ImportanceError.notFinite(score: name, layer: layer.index)
    }
  }
}
