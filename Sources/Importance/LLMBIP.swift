import LinearAlgebra

/// Block-wise forward importance propagation (LLM-BIP, arXiv 2412.06419).
///
/// The influence of a unit on the output of its transformer block, bounded by treating the MLP as Lipschitz:
///
///     s_F[j] = E|x_U[j]| · Σ_i |W_D[i,j]|                              an MLP channel j
///     s_H[j] = E|x_H[j]| · Σ_i |W_O[i,j]|·v[i],   v = 1 + |W_U|ᵀ(|W_D|ᵀ1)   a channel j of the head outputs
///
/// with `x_U`, `x_H` the inputs of `down_proj` and `o_proj`: a change of `o_proj`'s output reaches the block's output
/// directly and through the MLP. A group's score is the sum over its channels. The paper states the formula for an
/// ungated MLP without norms. Here the gain of a norm before the MLP is folded into the MLP's input weights, and those
/// of norms behind attention and MLP into `W_O` and `W_D`. A change that comes through the MLP is multiplied by the
/// root mean square of the factors by which a norm behind it multiplies tokens. The inner factor of the gated MLP is
/// `|W_gate| + |W_up|`, each halved: if the two branches are of equal size, both carry the change once.
public struct LLMBIP: Importance {
  public init() {}

  public let name = "llm-bip"
  public let summary = "bound on the change of the block's output, one forward pass"
  public let source = "LLM-BIP, arXiv 2412.06419"

  public func scores(of layer: ScoredLayer) -> UnitScores {
    let down = columnMagnitudes(of: layer.weightToStream(.mlp))
    let channels = zip(down, layer.statistics.hiddenMagnitude).map { $0 * $1 }
    let propagation = propagation(down: down, layer)
    let output = layer.weightToStream(.attention)
    let columns = Matrix<Float>(rows: 1, columns: output.columns)
    for i in 0..<output.rows {
      let row = output.row(i)
      for j in 0..<output.columns { columns.pointer[j] += abs(row[j]) * propagation[i] }
    }
    let contexts = zip(columns.elements, layer.statistics.contextMagnitude).map { $0 * $1 }
    return UnitScores(groups: layer.foldColumns(contexts), channels: channels)
  }

  /// `v[i]`: the share of a change of component `i` of the residual stream that reaches the block's output.
  private func propagation(down: [Float], _ layer: ScoredLayer) -> [Float] {
    let weights = layer.weights
    var through = Array(repeating: Float(0), count: weights.output.outputs)
    // Behind the columns of an expert may be its bias.
    let (channels, columns) = (weights.channelsPerUnit, weights.activationsPerUnit)
    for channel in 0..<weights.gate.outputs {
      let gate = weights.gate.weight.row(channel)
      let up = weights.up.weight.row(channel)
      let column = down[channel / channels * columns + channel % channels]
      for i in through.indices { through[i] += 0.5 * (abs(gate[i]) + abs(up[i])) * column }
    }
    let divided = Float(layer.statistics.hiddenWeight.squareRoot())
    return through.indices.map { i in
      1 + through[i] * divided * (weights.mlpNorm.isEmpty ? 1 : abs(weights.mlpNorm[i]))
    }
  }
}
