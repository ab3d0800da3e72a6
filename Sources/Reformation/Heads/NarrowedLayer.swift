import LanguageModels
import LinearAlgebra

/// One layer whose heads get narrower. A head's rows of the query, key and value projections are multiplied by a map of
/// shape `[k, D]`, and the output projection is fitted to what is left of the context.
struct NarrowedLayer {
  let weights: LayerWeights
  /// `D`.
  let dimension: Int
  let engine: any Engine

  /// Share of the mean diagonal that keeps the second moments of keys and of contexts invertible. They are sums in
  /// single precision, and in a few directions a thousand times longer than in others, so a smaller share would not.
  private static let ridge = 1e-4
  /// How often directions and columns are improved in turns.
  private static let rounds = 3

  private var heads: Int { weights.query.outputs / dimension }
  private var groups: Int { weights.key.outputs / dimension }

  /// The layer with narrower heads.
  ///
  /// - Parameters:
  ///   - pairs: rotary pairs that stay, ascending.
  ///   - keys: second moments of the centred keys of each query head, as `HeadMoments` has them.
  ///   - lengthening: factor of the queries, for another scale of the scores.
  ///   - contextGram: `E[c cᵀ]` of the contexts of all heads, shape `[heads·D, heads·D]`.
  ///   - outputMoments: `S = E[g gᵀ]` at the output of the attention, shape `[hidden, hidden]`.
  ///   - damping: share of the mean diagonal of the context's Gram that holds the output projection back.
  func narrowed(
    keeping pairs: [Int], keys: [Matrix<Float>], lengthening: Float, contextGram: Matrix<Float>,
    outputMoments: Matrix<Float>, damping: Double
  ) throws -> LayerWeights {
    let places = pairs + pairs.map { $0 + dimension / 2 }
    let selection = Matrix<Float>(rows: places.count, columns: dimension)
    for (row, place) in places.enumerated() { selection[row, place] = 1 }
    let directions = try directions(places.count, contextGram, outputMoments)
    var result = weights
    result[.query] = mapped(.query, try keys.map { try queryMap(places, $0, lengthening) })
    result[.key] = mapped(.key, Array(repeating: selection, count: groups))
    result[.value] = mapped(.value, directions.map { $0.transposedNarrowed() })
    result[.output] = try output(directions, contextGram, damping)
    return result
  }

  /// `y = M·(W·x + b)` head by head.
  private func mapped(_ part: LayerPart, _ maps: [Matrix<Float>]) -> Linear {
    let (linear, width) = (weights[part], maps[0].rows)
    let weight = Matrix<Float>(rows: maps.count * width, columns: linear.inputs)
    let bias = linear.bias.map { Matrix($0, rows: $0.count, columns: 1) }
    let newBias = Matrix<Float>(rows: maps.count * width, columns: 1)
    for (head, map) in maps.enumerated() {
      let (before, after) = (head * dimension..<(head + 1) * dimension, head * width..<(head + 1) * width)
      multiply(map, linear.weight.rows(before), into: weight.rows(after))
      if let bias { multiply(map, bias.rows(before), into: newBias.rows(after)) }
    }
    return Linear(weight: weight, bias: bias.map { _ in newBias.elements })
  }

  /// The map of a head's queries for which the scores of the kept keys come nearest to those of all: with the second
  /// moments `C` of the keys, kept ones `K` and others `R`, it is `q_K + C_KK⁻¹ C_KR q_R`.
  func queryMap(_ kept: [Int], _ moments: Matrix<Float>, _ factor: Float) throws -> Matrix<Float> {
    let others = Set(0..<dimension).subtracting(kept).sorted()
    let map = Matrix<Float>(rows: kept.count, columns: dimension)
    for (row, place) in kept.enumerated() { map[row, place] = factor }
    if others.isEmpty { return map }
    let rows = moments.gatherRows(kept)
    let solution = rows.gatherColumns(others).widened()
    let cholesky = try engine.factor(rows.gatherColumns(kept).damped(Self.ridge))
    cholesky.solveLower(solution)
    cholesky.solveLowerTransposed(solution)
    for row in kept.indices {
      for (column, other) in others.enumerated() { map[row, other] = factor * Float(solution[row, column]) }
    }
    return map
  }

  /// Orthonormal directions of each group's values, shape `[D, k]` each.
  private func directions(
    _ count: Int, _ contextGram: Matrix<Float>, _ outputMoments: Matrix<Float>
  ) throws -> [Matrix<Double>] {
    let perGroup = heads / groups
    return try (0..<groups).map { group in
      let columns = (group * perGroup..<(group + 1) * perGroup).map { $0 * dimension..<($0 + 1) * dimension }
      return try ValueDirections(
        moments: columns.map { contextGram.rows($0).columns($0).damped(Self.ridge) },
        costs: columns.map { HeadMoments.cost(weights.output.weight.columns($0), outputMoments).widened() }
      ).directions(count, rounds: Self.rounds)
    }
  }

  /// The output projection that comes nearest to the whole one on the kept directions `P` of all heads together:
  /// `O C P (PᵀC P)⁻¹`, with `λI` in `C`.
  private func output(
    _ directions: [Matrix<Double>], _ contextGram: Matrix<Float>, _ damping: Double
  ) throws -> Linear {
    let (perGroup, dimension) = (heads / groups, dimension)
    /// `Pᵀ·M`.
    func folded(_ matrix: Matrix<Double>) -> Matrix<Double> {
      let width = directions[0].columns
      let result = Matrix<Double>(rows: heads * width, columns: matrix.columns)
      for head in 0..<heads {
        multiply(
          directions[head / perGroup], matrix.rows(head * dimension..<(head + 1) * dimension), transposingA: true,
          into: result.rows(head * width..<(head + 1) * width))
      }
      return result
    }
    let left = folded(contextGram.damped(damping))
    let solution = Matrix<Double>(rows: left.rows, columns: weights.output.outputs)
    multiply(left, weights.output.weight.widened(), transposingB: true, into: solution)
    let factor = try engine.factor(folded(left.transposed()))
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    return Linear(weight: solution.transposedNarrowed(), bias: weights.output.bias)
  }
}
