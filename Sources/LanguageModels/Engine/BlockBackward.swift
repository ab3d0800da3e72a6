import LinearAlgebra

/// Takes a gradient back through one decoder layer, one window at a time.
///
/// The window's activations are computed again from the layer's input. With `∂a` for the gradient with respect to `a`, a
/// product `Y = X·Wᵀ` gives `∂X = ∂Y·W` and `∂W = ∂Yᵀ·X`.
final class BlockBackward: @unchecked Sendable {
  private let configuration: ModelConfiguration
  private let length: Int
  private let pass: WindowPass
  private let rotaries: [RotaryEmbedding]
  private let workspace: Workspace
  /// The residual stream after the attention, `[length, hidden]`.
  private let middle: Matrix<Float>
  private let normedGrad: Matrix<Float>
  private let queryGrad: Matrix<Float>
  private let keyGrad: Matrix<Float>
  private let valueGrad: Matrix<Float>
  private let contextGrad: Matrix<Float>
  /// Queries and keys before their norms, where heads have norms.
  private let projectedQuery: Matrix<Float>
  private let projectedKey: Matrix<Float>
  private let hiddenGrad: Matrix<Float>
  /// Attention probabilities of some queries of one head and their gradient, `[queryBlock, length]`.
  private let probabilities: Matrix<Float>
  private let probabilityGrad: Matrix<Float>
  /// The scores that the probabilities were made of, if they are capped.
  private let cappedScores: Matrix<Float>
  /// What a module added to the stream before its norm, and the gradient there; empty where no module has a norm.
  private let output: Matrix<Float>
  private let outputGrad: Matrix<Float>
  /// Takes the gradients of gains where they are not wanted.
  private let unwanted: Matrix<Float>
  private let queryBlock: Int
  private let expertBackward: ExpertBackward?

  /// - Parameters:
  ///   - queryBlock: query rows that attention handles at once.
  ///   - workers: those that share a window, at most.
  init(_ configuration: ModelConfiguration, length: Int, queryBlock: Int, workers: Int) {
    self.configuration = configuration
    self.length = length
    self.queryBlock = min(queryBlock, length)
    rotaries = RotaryEmbedding.all(configuration, positions: length)
    workspace = Workspace(configuration, rows: length, length: length, workers: workers)
    middle = Matrix(rows: length, columns: configuration.hiddenSize)
    normedGrad = Matrix(rows: length, columns: configuration.hiddenSize)
    queryGrad = Matrix(rows: length, columns: workspace.query.columns)
    keyGrad = Matrix(rows: length, columns: workspace.key.columns)
    valueGrad = Matrix(rows: length, columns: workspace.value.columns)
    contextGrad = Matrix(rows: length, columns: workspace.context.columns)
    hiddenGrad = Matrix(rows: length, columns: workspace.gate.columns)
    let kept = configuration.block.normalisesQueries ? length : 0
    projectedQuery = Matrix(rows: kept, columns: workspace.query.columns)
    projectedKey = Matrix(rows: kept, columns: workspace.key.columns)
    pass = WindowPass(length: length)
    expertBackward = configuration.block.experts.map {
      ExpertBackward($0, configuration.block.activation, rows: length, hidden: configuration.hiddenSize)
    }
    probabilities = Matrix(rows: self.queryBlock, columns: length)
    probabilityGrad = Matrix(rows: self.queryBlock, columns: length)
    cappedScores = Matrix(rows: configuration.block.scoreCap == nil ? 0 : self.queryBlock, columns: length)
    output = Matrix(rows: workspace.output.rows, columns: configuration.hiddenSize)
    outputGrad = Matrix(rows: workspace.output.rows, columns: configuration.hiddenSize)
    unwanted = Matrix(
      rows: 1, columns: max(configuration.hiddenSize, configuration.headDimension, workspace.query.columns))
  }

  /// - Parameters:
  ///   - packed: the weights for products of the forward direction, in single precision.
  ///   - input: the residual stream before the layer, `[length, hidden]`.
  ///   - grad: in, the gradient with respect to the stream after the layer; out, before it.
  ///   - gradients: what the window adds to is the sum so far; `nil` where those of weights are not wanted.
  ///   - moments: likewise, of `g·gᵀ` at the outputs of attention and MLP; upper triangles.
  func run(
    _ weights: LayerWeights, packed: PackedLayer, input: Matrix<Float>, grad: Matrix<Float>,
    into gradients: LayerGradients?, moments: BackwardPass.OutputMoments?
  ) {
    let shape = weights.shape(headDimension: configuration.headDimension)
    let block = TransformerBlock(configuration: configuration, weights: packed, rotaries: rotaries)
    middle.assign(input)
    if shape.kvHeads > 0 {
      let context = block.attentionContext(input, pass, workspace) { heads in
        if !configuration.block.normalisesQueries { return }
        projectedQuery.reshaped(rows: length, columns: heads.query.columns).assign(heads.query)
        projectedKey.reshaped(rows: length, columns: heads.key.columns).assign(heads.key)
      }
      if weights[gain: .attentionPostNorm].isEmpty {
        block.project(.output, context, into: middle, accumulating: true, pass, workspace)
      } else {
        block.project(.output, context, into: workspace.output, accumulating: false, pass, workspace)
        output.assign(workspace.output)
        configuration.addNormalised(output, gain: weights[gain: .attentionPostNorm], to: middle) { _, _ in }
      }
    }
    let (hasMLP, hasAttention) = (shape.mlpChannels > 0, shape.kvHeads > 0)
    if hasMLP { mlp(weights, block, grad: grad, gradients, moments?.mlp) }
    if !hasMLP, let moments { accumulateGram(grad, accumulate: 1, into: moments.mlp) }
    if hasAttention { attention(weights, block, input: input, grad: grad, gradients, moments?.attention) }
    if !hasAttention, let moments { accumulateGram(grad, accumulate: 1, into: moments.attention) }
  }

  /// The gradient at a module's projection onto the stream, for that at the stream: the same without a norm between.
  ///
  /// - Parameters:
  ///   - projected: the projection's outputs.
  ///   - moments: the sum of `g·gᵀ`. With a norm, `g` is taken at the outputs divided by their root mean square, as
  ///     `ActivationTap` divides the inputs.
  private func beforePostNorm(
    _ module: LayerPart.Module, _ weights: LayerWeights, _ projected: Matrix<Float>, grad: Matrix<Float>,
    _ gradients: LayerGradients?, _ moments: Matrix<Float>?
  ) -> Matrix<Float> {
    let gain = weights[gain: module.postNorm]
    if gain.isEmpty {
      if let moments { accumulateGram(grad, accumulate: 1, into: moments) }
      return grad
    }
    outputGrad.fill(0)
    normedGrad.assign(grad)
    normBackward(projected, gain: gain, addingTo: outputGrad, gainGrad: gradients?[gain: module.postNorm])
    guard let moments else { return outputGrad }
    for i in 0..<length {
      let size = configuration.rootMeanSquare(projected.row(i), count: projected.columns)
      normedGrad.row(i).update(repeating: 0, count: projected.columns)
      Kernels.addScaled(outputGrad.row(i), size, to: normedGrad.row(i), count: projected.columns)
    }
    accumulateGram(normedGrad, accumulate: 1, into: moments)
    return outputGrad
  }

  /// The gradient with respect to a module's inputs is in `normedGrad`; `grad` becomes that before the module.
  private func addThroughNorm(
    _ module: LayerPart.Module, _ weights: LayerWeights, _ x: Matrix<Float>, to grad: Matrix<Float>,
    _ gradients: LayerGradients?
  ) {
    let gain = weights[gain: module.norm]
    if gain.isEmpty { return Kernels.add(normedGrad.pointer, to: grad.pointer, count: grad.count) }
    normBackward(x, gain: gain, addingTo: grad, gainGrad: gradients?[gain: module.norm])
  }

  private func mlp(
    _ weights: LayerWeights, _ block: TransformerBlock, grad: Matrix<Float>, _ gradients: LayerGradients?,
    _ moments: Matrix<Float>?
  ) {
    if let experts = expertBackward {
      if let moments { accumulateGram(grad, accumulate: 1, into: moments) }
      configuration.normalise(middle, gain: weights.mlpNorm, into: workspace.normed)
      experts.run(weights, normed: workspace.normed, outputGrad: grad, into: normedGrad, gradients)
      return addThroughNorm(.mlp, weights, middle, to: grad, gradients)
    }
    let (normed, activation) = (workspace.normed, configuration.block.activation)
    let (gate, up) = block.mlpFactors(middle, pass, workspace)
    let hidden = hiddenGrad.reshaped(rows: length, columns: gate.columns)
    if !weights[gain: .mlpPostNorm].isEmpty {
      hidden.assign(gate)
      activation.multiply(hidden.pointer, up.pointer, count: hidden.count)
      block.project(.down, hidden, into: output, accumulating: false, pass, workspace)
    }
    let downGrad = beforePostNorm(.mlp, weights, output, grad: grad, gradients, moments)
    multiply(downGrad, weights.down.weight, into: hidden)
    activation.multiplyBackward(gate, up, grad: hidden)
    gradients?.down.add(outputGrad: downGrad, input: hidden)
    gradients?.gate.add(outputGrad: gate, input: normed)
    gradients?.up.add(outputGrad: up, input: normed)
    multiply(gate, weights.gate.weight, into: normedGrad)
    multiply(up, weights.up.weight, accumulate: 1, into: normedGrad)
    addThroughNorm(.mlp, weights, middle, to: grad, gradients)
  }

  /// Query, key and value are still in the workspace: rotated, as attention saw them.
  private func attention(
    _ weights: LayerWeights, _ block: TransformerBlock, input: Matrix<Float>, grad: Matrix<Float>,
    _ gradients: LayerGradients?, _ moments: Matrix<Float>?
  ) {
    let (shape, dimension) = (block.shape, configuration.headDimension)
    let heads = workspace.heads(rows: length, shape)
    let (query, key, value, context) = (heads.query, heads.key, heads.value, heads.context)
    let (dQuery, dKey) = (
      queryGrad.reshaped(rows: length, columns: query.columns), keyGrad.reshaped(rows: length, columns: key.columns)
    )
    let dValue = valueGrad.reshaped(rows: length, columns: value.columns)
    let dContext = contextGrad.reshaped(rows: length, columns: query.columns)
    let projectedGrad = beforePostNorm(.attention, weights, workspace.output, grad: grad, gradients, moments)
    gradients?.output.add(outputGrad: projectedGrad, input: context)
    multiply(projectedGrad, weights.output.weight, into: dContext)
    dKey.fill(0)
    dValue.fill(0)
    let sinks = weights[gain: .sinks]
    for head in 0..<shape.queryHeads {
      let group = head / shape.queriesPerGroup
      let columns = head * dimension..<(head + 1) * dimension
      let groupColumns = group * dimension..<(group + 1) * dimension
      attend(
        block.kind, query: query.columns(columns), key: key.columns(groupColumns), value: value.columns(groupColumns),
        grads: (
          dContext.columns(columns), dQuery.columns(columns), dKey.columns(groupColumns), dValue.columns(groupColumns)
        ),
        sink: sinks.isEmpty ? nil : (sinks[head], (gradients?[gain: .sinks] ?? unwanted).pointer + head))
    }
    for i in 0..<length {
      block.rotary.revert(dQuery.row(i), heads: shape.queryHeads, position: i)
      block.rotary.revert(dKey.row(i), heads: shape.kvHeads, position: i)
    }
    for norm in [LayerPart.queryNorm, .allQueriesNorm] where !weights[gain: norm].isEmpty {
      normBackward(projectedQuery, weights, norm, outputGrad: dQuery, spare: query, gradients)
    }
    for norm in [LayerPart.keyNorm, .allKeysNorm] where !weights[gain: norm].isEmpty {
      normBackward(projectedKey, weights, norm, outputGrad: dKey, spare: key, gradients)
    }
    if let gradients {
      configuration.normalise(input, gain: weights.attentionNorm, into: workspace.normed)
      gradients.query.add(outputGrad: dQuery, input: workspace.normed)
      gradients.key.add(outputGrad: dKey, input: workspace.normed)
      gradients.value.add(outputGrad: dValue, input: workspace.normed)
    }
    multiply(dQuery, weights.query.weight, into: normedGrad)
    multiply(dKey, weights.key.weight, accumulate: 1, into: normedGrad)
    multiply(dValue, weights.value.weight, accumulate: 1, into: normedGrad)
    addThroughNorm(.attention, weights, input, to: grad, gradients)
  }

  /// One head: with `P = softmax(s·Q·Kᵀ)`, `∂V = Pᵀ·∂C`, `∂P = ∂C·Vᵀ`, and `∂S` through the softmax, `∂Q = s·∂S·K`,
  /// `∂K = s·∂Sᵀ·Q`. Gradients of key and value are added to what other heads of the group gave. A sink with the share `p` of a
  /// query gets `−p·Σ P·∂P`.
  private func attend(
    _ kind: AttentionKind, query: Matrix<Float>, key: Matrix<Float>, value: Matrix<Float>,
    grads: (context: Matrix<Float>, query: Matrix<Float>, key: Matrix<Float>, value: Matrix<Float>),
    sink: (score: Float, grad: UnsafeMutablePointer<Float>)?
  ) {
    let (scale, cap) = (configuration.scoreScale, configuration.block.scoreCap)
    var sinkShares = Array(repeating: Float(0), count: queryBlock)
    for start in stride(from: 0, to: length, by: queryBlock) {
      let queries = start..<min(start + queryBlock, length)
      let first = kind.firstSeen(from: start)
      let keys = first..<queries.upperBound
      let scores = probabilities.reshaped(rows: queries.count, columns: keys.count)
      let grad = probabilityGrad.reshaped(rows: queries.count, columns: keys.count)
      multiply(query.rows(queries), key.rows(keys), transposingB: true, scale: scale, into: scores)
      for i in queries {
        let row = scores.row(i - start)
        let from = kind.firstSeen(from: i) - first
        row.update(repeating: 0, count: from)
        if let cap {
          Kernels.softCap(row, cap, count: keys.count)
          cappedScores.row(i - start).update(from: row, count: keys.count)
        }
        let share = Kernels.softmax(row + from, with: sink?.score ?? -.infinity, count: i + 1 - first - from)
        sinkShares[i - start] = share
        (row + (i + 1 - first)).update(repeating: 0, count: keys.upperBound - i - 1)
      }
      multiply(scores, grads.context.rows(queries), transposingA: true, accumulate: 1, into: grads.value.rows(keys))
      multiply(grads.context.rows(queries), value.rows(keys), transposingB: true, into: grad)
      for i in 0..<queries.count {
        if let sink {
          sink.grad.pointee -= sinkShares[i] * Kernels.dot(scores.row(i), grad.row(i), count: keys.count)
        }
        Kernels.softmaxBackward(scores.row(i), grad: grad.row(i), scale: scale, count: keys.count)
        if let cap { Kernels.softCapBackward(cappedScores.row(i), cap, grad: grad.row(i), count: keys.count) }
      }
      multiply(grad, key.rows(keys), into: grads.query.rows(queries))
      multiply(grad, query.rows(queries), transposingA: true, accumulate: 1, into: grads.key.rows(keys))
    }
  }

  private func normBackward(_ x: Matrix<Float>, gain: [Float], addingTo grad: Matrix<Float>, gainGrad: Matrix<Float>?) {
    for i in 0..<length {
      Kernels.rmsNormBackward(
        x.row(i), gain: gain, epsilon: configuration.normEpsilon, outputGrad: normedGrad.row(i),
        addingTo: grad.row(i), gainGrad: (gainGrad ?? unwanted).pointer, count: x.columns)
    }
  }

  /// The norms of queries or keys, in place: `outputGrad` becomes the gradient before them.
  ///
  /// - Parameter spare: memory of the same shape.
  private func normBackward(
    _ projected: Matrix<Float>, _ weights: LayerWeights, _ part: LayerPart, outputGrad: Matrix<Float>,
    spare: Matrix<Float>, _ gradients: LayerGradients?
  ) {
    let (dimension, columns) = (weights[gain: part].count, outputGrad.columns)
    let gainGrad = gradients?[gain: part] ?? unwanted
    spare.fill(0)
    for place in 0..<length * columns / dimension {
      let offset = place * dimension
      Kernels.rmsNormBackward(
        projected.pointer + offset, gain: weights[gain: part], epsilon: configuration.normEpsilon,
        outputGrad: outputGrad.pointer + offset, addingTo: spare.pointer + offset, gainGrad: gainGrad.pointer,
        count: dimension)
    }
    outputGrad.assign(spare)
  }
}
