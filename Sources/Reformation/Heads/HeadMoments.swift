import LanguageModels
import LinearAlgebra
import Runtime

/// Moments of the scores of a layer's heads on calibration text, as means over some of its queries.
///
/// Let `a_s` be the weights that a query `q` of a head gives the keys `k_s` that it sees, turned to where the query
/// stands: a score is then `q·k_s/√D`. Constants that are added to all scores of a query do not change the weights, so
/// only the centred keys `k_s − Σ a k` matter. If pair `j` of all heads goes, the scores lose `u_j = (q·k)_j/√D`, and
/// to first order the head's context loses `Σ_s a_s (u_j(s) − ū_j) v_s`.
struct HeadMoments {
  /// `½·E[δ_iᵀ S δ_j]` of what the layer's output loses with the pairs, in nats: shape `[D/2, D/2]`.
  let losses: Matrix<Double>
  /// `E[Σ_s a_s k_s k_sᵀ]` of the centred keys of each query head, shape `[D, D]` each.
  let keys: [Matrix<Float>]

  /// Whether all numbers are finite.
  var isFinite: Bool {
    losses.elements.allSatisfy(\.isFinite) && keys.allSatisfy { $0.elements.allSatisfy(\.isFinite) }
  }

  /// Number of queries of a window that are looked at.
  private static let queriesPerWindow = 16

  /// - Parameters:
  ///   - inputs: normed inputs of the attention, shape `[tokens, hidden]`.
  ///   - outputMoments: `S = E[g gᵀ]` at the output of the attention, shape `[hidden, hidden]`.
  init(
    _ weights: LayerWeights, in configuration: ModelConfiguration, inputs: Matrix<Float>, windowLength: Int,
    outputMoments: Matrix<Float>
  ) throws {
    let dimension = configuration.headDimension
    let kind = configuration.block.attention[weights.attentionKind]
    let heads = weights.query.outputs / dimension
    let costs = (0..<heads).map { head in
      HeadMoments.cost(weights.output.weight.columns(head * dimension..<(head + 1) * dimension), outputMoments)
    }
    let pass = HeadPass(
      weights: weights, dimension: dimension, scale: configuration.scoreScale, kind: kind, costs: costs,
      rotary: RotaryEmbedding(kind.rotary, headDimension: dimension, positions: windowLength))
    let positions = Self.positions(windowLength)
    let windows = inputs.rows / windowLength
    // A fixed number of lanes keeps the sums independent of the number of cores.
    let lanes = (0..<ForwardPass.lanes).map { _ in HeadSums(heads: heads, dimension: dimension) }
    try Threads.forEach(lanes.count) { lane, _ in
      for window in stride(from: lane, to: windows, by: lanes.count) {
        pass.add(inputs.rows(window * windowLength..<(window + 1) * windowLength), positions, to: lanes[lane])
      }
    }
    for lane in lanes[1...] { lanes[0].add(lane) }
    let count = Float(max(1, windows * positions.count))
    for matrix in lanes[0].keys + [lanes[0].losses] {
      Kernels.scale(matrix.pointer, by: 1 / count, count: matrix.count)
    }
    for matrix in lanes[0].keys { mirrorUpperTriangle(matrix) }
    (losses, keys) = (lanes[0].losses.widened(), lanes[0].keys)
  }

  /// `OᵀSO` for a head's columns `O` of the output projection: what an error of its context costs, shape `[D, D]`.
  static func cost(_ output: Matrix<Float>, _ moments: Matrix<Float>) -> Matrix<Float> {
    let weighted = Matrix<Float>(rows: output.rows, columns: output.columns)
    multiply(moments, output, into: weighted)
    let cost = Matrix<Float>(rows: output.columns, columns: output.columns)
    multiply(output, weighted, transposingA: true, into: cost)
    return cost
  }

  /// The positions of queries that are looked at, evenly spread; the last is the window's last.
  static func positions(_ length: Int) -> [Int] {
    let count = min(queriesPerWindow, length)
    return (1...max(1, count)).map { $0 * length / max(1, count) - 1 }
  }
}

/// The sums of one lane.
private struct HeadSums: Sendable {
  let losses: Matrix<Float>
  let keys: [Matrix<Float>]

  init(heads: Int, dimension: Int) {
    losses = Matrix(rows: dimension / 2, columns: dimension / 2)
    keys = (0..<heads).map { _ in Matrix(rows: dimension, columns: dimension) }
  }

  func add(_ other: HeadSums) {
    for (sum, part) in zip(keys + [losses], other.keys + [other.losses]) {
      Kernels.add(part.pointer, to: sum.pointer, count: sum.count)
    }
  }
}

/// One layer's attention at single queries of a window.
private struct HeadPass: Sendable {
  let weights: LayerWeights
  let dimension: Int
  let scale: Float
  let kind: AttentionKind
  /// `OᵀSO` of each query head.
  let costs: [Matrix<Float>]
  let rotary: RotaryEmbedding

  /// - Parameter inputs: normed inputs of a whole window, shape `[length, hidden]`.
  func add(_ inputs: Matrix<Float>, _ positions: [Int], to sums: HeadSums) {
    let (queries, keys, values) = (
      output(.query, inputs.gatherRows(positions)), output(.key, inputs), output(.value, inputs)
    )
    let groups = keys.columns / dimension
    for position in 0..<keys.rows { rotary.apply(to: keys.row(position), heads: groups, position: position) }
    for (row, position) in positions.enumerated() {
      let seen = kind.firstSeen(from: position)..<position + 1
      let turned = keys.rows(seen).copy()
      // Turned back by the query's angle, keys stand where queries that are not turned meet them.
      for i in 0..<turned.rows { rotary.revert(turned.row(i), heads: groups, position: position) }
      let perGroup = costs.count / groups
      for head in costs.indices {
        let columns = head / perGroup * dimension..<(head / perGroup + 1) * dimension
        add(
          query: queries.rows(row..<row + 1).columns(head * dimension..<(head + 1) * dimension),
          keys: turned.columns(columns), values: values.rows(seen).columns(columns), head: head, to: sums)
      }
    }
  }

  private func output(_ part: LayerPart, _ inputs: Matrix<Float>) -> Matrix<Float> {
    let result = Matrix<Float>(uninitialized: inputs.rows, columns: weights[part].outputs)
    weights[part].apply(inputs, into: result)
    return result
  }

  private func add(
    query: Matrix<Float>, keys: Matrix<Float>, values: Matrix<Float>, head: Int, to sums: HeadSums
  ) {
    let shares = Matrix<Float>(rows: 1, columns: keys.rows)
    multiply(query, keys, transposingB: true, scale: scale, into: shares)
    Kernels.softmax(shares.pointer, count: shares.columns)
    let mean = Matrix<Float>(rows: 1, columns: dimension)
    multiply(shares, keys, into: mean)
    let (centred, weighted) = (keys.copy(), values.copy())
    for i in 0..<keys.rows {
      let root = shares[0, i].squareRoot()
      Kernels.addScaled(mean.pointer, -1, to: centred.row(i), count: dimension)
      Kernels.scale(centred.row(i), by: root, count: dimension)
      Kernels.scale(weighted.row(i), by: root, count: dimension)
    }
    accumulateGram(centred, accumulate: 1, into: sums.keys[head])
    // Σ a (k − k̄) vᵀ, and what each pair takes of the context.
    let moved = Matrix<Float>(rows: dimension, columns: dimension)
    multiply(centred, weighted, transposingA: true, into: moved)
    let half = dimension / 2
    let lost = Matrix<Float>(rows: half, columns: dimension)
    for pair in 0..<half {
      Kernels.addScaled(moved.row(pair), scale * query[0, pair], to: lost.row(pair), count: dimension)
      Kernels.addScaled(moved.row(pair + half), scale * query[0, pair + half], to: lost.row(pair), count: dimension)
    }
    let cost = Matrix<Float>(rows: half, columns: dimension)
    multiply(lost, costs[head], into: cost)
    multiply(lost, cost, transposingB: true, scale: 0.5, accumulate: 1, into: sums.losses)
  }
}
