import LinearAlgebra

/// Takes a gradient back through an MLP of experts (`ExpertRouting`).
///
/// With `h = g·a`, `a = act(G·x) ⊙ U·x`, an expert's activations get `∂a = g·∂h` and its weight for a token `∂g = a·∂h`, and
/// `b·∂y` besides if the expert has a bias `b`,
/// which goes through the softmax to the router's scores: `∂l_i = g_i(∂g_i − Σ_j g_j ∂g_j)` over the chosen experts `j`. If
/// the weights are shares of all experts, the experts that were not chosen get such a gradient as well. The choice itself has
/// no gradient.
final class ExpertBackward: @unchecked Sendable {
  private let routing: ExpertRouting
  private let activation: Activation
  /// Memory for the tokens of one expert.
  private let input: Matrix<Float>
  private let outputGrad: Matrix<Float>
  private let inputGrad: Matrix<Float>
  private let gate: Matrix<Float>
  private let up: Matrix<Float>
  private let hidden: Matrix<Float>
  private let hiddenGrad: Matrix<Float>

  init(_ routing: ExpertRouting, _ activation: Activation, rows: Int, hidden size: Int) {
    (self.routing, self.activation) = (routing, activation)
    func memory(_ columns: Int) -> Matrix<Float> { Matrix(rows: rows, columns: columns) }
    (input, outputGrad, inputGrad) = (memory(size), memory(size), memory(size))
    (gate, up) = (memory(routing.channels), memory(routing.channels))
    (hidden, hiddenGrad) = (memory(routing.channels), memory(routing.channels))
  }

  /// - Parameters:
  ///   - normed: normed input of the MLP, shape `[tokens, hidden]`.
  ///   - grad: gradient with respect to the MLP's output.
  ///   - normedGrad: takes that with respect to `normed`.
  ///   - gradients: sum of the weights' gradients so far; `nil` where they are not wanted.
  func run(
    _ weights: LayerWeights, normed: Matrix<Float>, outputGrad grad: Matrix<Float>, into normedGrad: Matrix<Float>,
    _ gradients: LayerGradients?
  ) {
    let router = weights[.router].weight
    let choices = Routing(normed, router, weights[.router].bias, routing)
    let shareGrads = Matrix<Float>(rows: normed.rows, columns: router.rows)
    normedGrad.fill(0)
    for (expert, _) in choices.used {
      let uses = choices.uses[expert]
      one(expert, uses, weights, normed, grad, gradients) { row, shareGrad in
        shareGrads[uses[row].token, expert] = shareGrad
        Kernels.add(inputGrad.row(row), to: normedGrad.row(uses[row].token), count: normed.columns)
      }
    }
    let scoreGrads = scoreGrads(choices, shareGrads, normed, weights[.router])
    multiply(scoreGrads, router, accumulate: 1, into: normedGrad)
    if let gradients {
      gradients[.router].add(outputGrad: scoreGrads, input: normed)
    }
  }

  /// - Parameter done: told of each use, when `inputGrad` has its row, with the gradient of the expert's weight.
  private func one(
    _ expert: Int, _ uses: [Routing.Use], _ weights: LayerWeights, _ normed: Matrix<Float>, _ grad: Matrix<Float>,
    _ gradients: LayerGradients?, done: (_ row: Int, _ shareGrad: Float) -> Void
  ) {
    let (count, channels) = (uses.count, routing.range(of: expert))
    let (x, dy) = (input.rows(0..<count), outputGrad.rows(0..<count))
    let (g, u, a, da) = (gate.rows(0..<count), up.rows(0..<count), hidden.rows(0..<count), hiddenGrad.rows(0..<count))
    for (row, use) in uses.enumerated() {
      x.row(row).update(from: normed.row(use.token), count: normed.columns)
      dy.row(row).update(from: grad.row(use.token), count: grad.columns)
    }
    multiply(x, weights.gate.weight.rows(channels), transposingB: true, into: g)
    multiply(x, weights.up.weight.rows(channels), transposingB: true, into: u)
    if let bias = weights.gate.bias { g.addToRows(bias[channels]) }
    if let bias = weights.up.bias { u.addToRows(bias[channels]) }
    a.assign(g)
    activation.multiply(a.pointer, u.pointer, count: a.count)
    multiply(dy, weights.down.weight.columns(channels), into: da)
    var shareGrads = (0..<count).map { Kernels.dot(a.row($0), da.row($0), count: a.columns) }
    if weights.hasExpertBiases {
      let bias = weights[.expertBias].weight.row(expert)
      for (row, use) in uses.enumerated() {
        shareGrads[row] += Kernels.dot(bias, dy.row(row), count: dy.columns)
        guard let sum = gradients?[.expertBias].weight.row(expert) else { continue }
        Kernels.addScaled(dy.row(row), use.weight, to: sum, count: dy.columns)
      }
    }
    for (row, use) in uses.enumerated() {
      Kernels.scale(a.row(row), by: use.weight, count: a.columns)
      Kernels.scale(da.row(row), by: use.weight, count: a.columns)
    }
    if let gradients {
      multiply(dy, a, transposingA: true, accumulate: 1, into: gradients.down.weight.columns(channels))
    }
    activation.multiplyBackward(g, u, grad: da)
    if let gradients {
      gradients.gate.add(outputGrad: g, input: x, toOutputs: channels)
      gradients.up.add(outputGrad: u, input: x, toOutputs: channels)
    }
    let dx = inputGrad.rows(0..<count)
    multiply(g, weights.gate.weight.rows(channels), into: dx)
    multiply(u, weights.up.weight.rows(channels), accumulate: 1, into: dx)
    for row in 0..<count { done(row, shareGrads[row]) }
  }

  /// The gradients of the router's scores, shape `[tokens, experts]`.
  private func scoreGrads(
    _ choices: Routing, _ shareGrads: Matrix<Float>, _ normed: Matrix<Float>, _ router: Linear
  ) -> Matrix<Float> {
    let shares = Matrix<Float>(rows: normed.rows, columns: router.outputs)
    if routing.renormalises {
      for (expert, uses) in choices.uses.enumerated() { for use in uses { shares[use.token, expert] = use.weight } }
    } else {
      router.apply(normed, into: shares)
      for token in 0..<shares.rows { Kernels.softmax(shares.row(token), count: shares.columns) }
    }
    for token in 0..<shares.rows {
      Kernels.softmaxBackward(shares.row(token), grad: shareGrads.row(token), scale: 1, count: shares.columns)
    }
    return shareGrads
  }
}
