import LanguageModels
import LinearAlgebra
import Subnets

/// The residual streams of the dense network and of the subnet over the same windows, advanced together.
final class ResidualStreams {
  private let pass: ForwardPass
  private let denseRunner: any EnginePass
  private let prunedRunner: any EnginePass
  /// The runner that takes the current projection's inputs on: the dense network's if these are of all units.
  private var runner: any EnginePass
  private let dense: Matrix<Float>
  private let pruned: Matrix<Float>
  /// The goal of the subnet's stream after the current module.
  private var goal: Matrix<Float>
  /// Where the dense network's module takes the subnet's stream, if that is another goal.
  private var ownGoal: Matrix<Float>?
  /// Inputs of the current pruned projection, shape `[tokens, inputs]`; `nil` if the subnet has no such module.
  private var inputs: Matrix<Float>?
  /// The current module.
  private var module = LayerPart.Module.attention
  /// The gains of the norm between its projection and the stream; empty for none.
  private var postNorm: [Float] = []
  private let epsilon: Float

  init<Parent: Network>(parent: Parent, subnet: Subnet<Parent>, windows: TokenWindows) throws {
    pass = ForwardPass(windows)
    denseRunner = pass.runner(for: parent)
    prunedRunner = pass.runner(for: subnet)
    runner = prunedRunner
    dense = try pass.embed(parent)
    pruned = try pass.embed(subnet)
    epsilon = parent.configuration.normEpsilon
    goal = dense
  }

  /// Moves the dense stream past the module and computes the subnet's projection inputs.
  func enter(
    _ module: LayerPart.Module, dense weights: LayerWeights, pruned prunedWeights: LayerWeights,
    target: SequentialReformation.Options.Target
  ) throws {
    func add(from stream: Matrix<Float>, to sum: Matrix<Float>) throws {
      try denseRunner.add(
        weights[toStream: module], from: module, postNorm: weights[gain: module.postNorm],
        of: denseRunner.inputs(of: module, layer: weights, stream), to: sum)
    }
    begin(module, postNorm: prunedWeights[gain: module.postNorm], prunedRunner)
    ownGoal = nil
    if target != .residual {
      let own = pruned.copy()
      try add(from: pruned, to: own)
      if target == .own { goal = own } else { ownGoal = own }
    }
    try add(from: dense, to: dense)
    inputs =
      prunedWeights.activations(of: module) > 0
      ? try prunedRunner.inputs(of: module, layer: prunedWeights, pruned) : nil
  }

  /// Moves the dense stream past the module and computes the inputs that the dense network's projection has on the
  /// subnet's stream: those of all units.
  func enterWhole(_ module: LayerPart.Module, dense weights: LayerWeights) throws {
    begin(module, postNorm: weights[gain: module.postNorm], denseRunner)
    let own = try denseRunner.inputs(of: module, layer: weights, dense)
    try denseRunner.add(
      weights[toStream: module], from: module, postNorm: weights[gain: module.postNorm], of: own, to: dense)
    inputs =
      weights.activations(of: module) > 0 ? try denseRunner.inputs(of: module, layer: weights, pruned) : nil
  }

  private func begin(_ module: LayerPart.Module, postNorm: [Float], _ runner: any EnginePass) {
    (goal, self.module, self.postNorm, self.runner) = (dense, module, postNorm, runner)
  }

  /// Moves the subnet's stream past a module that was entered whole.
  func follow(_ module: LayerPart.Module, pruned weights: LayerWeights) throws {
    begin(module, postNorm: weights[gain: module.postNorm], prunedRunner)
    inputs =
      weights.activations(of: module) > 0
      ? try prunedRunner.inputs(of: module, layer: weights, pruned) : nil
    try leave(weights[toStream: module])
  }

  /// The inputs of a module on the subnet's stream, shape `[tokens, hidden]`.
  func normed(_ module: LayerPart.Module, _ weights: LayerWeights) throws -> Matrix<Float> {
    let inputs = pruned.copy()
    try prunedRunner.normalise(inputs, gain: weights[gain: module.norm])
    return inputs
  }

  /// The subnet's stream, shape `[tokens, hidden]`.
  var stream: Matrix<Float> { pruned }

  /// The inputs of the current MLP, and what the stream lacks before it.
  func gatedTokens(
    _ weights: LayerWeights, _ tokens: SequentialReformation.Options.Tokens
  ) throws -> GatedFit.Tokens {
    let lacking = goal.copy()
    let scales = (0..<lacking.rows).map { weight(of: $0, tokens) }
    Kernels.addScaled(pruned.pointer, -1, to: lacking.pointer, count: lacking.count)
    for (i, scale) in scales.enumerated() { Kernels.scale(lacking.row(i), by: scale, count: lacking.columns) }
    return GatedFit.Tokens(inputs: try normed(.mlp, weights), lacking: lacking, scales: scales)
  }

  /// Computes the inputs of the current module's projection anew.
  func renew(_ weights: LayerWeights) throws {
    inputs = try prunedRunner.inputs(of: module, layer: weights, pruned)
  }

  /// Moves the subnet's stream past the module.
  func leave(_ projection: Linear) throws {
    if let inputs { try runner.add(projection, from: module, postNorm: postNorm, of: inputs, to: pruned) }
  }

  /// The judge of how far a changed projection is from the goal.
  func judge(
    _ projection: Linear, _ tokens: SequentialReformation.Options.Tokens
  ) throws -> any Judge {
    guard !postNorm.isEmpty, let inputs else { return try problem(projection, tokens) }
    let distance = pruned.copy()
    Kernels.scale(distance.pointer, by: -1, count: distance.count)
    Kernels.add(goal.pointer, to: distance.pointer, count: distance.count)
    return NormedError(
      distance: distance, inputs: inputs, projection: projection, gain: postNorm, epsilon: epsilon,
      weights: (0..<distance.rows).map { weight(of: $0, tokens) })
  }

  /// The distance of the projection from the goal; with two goals the one toward the module's own comes first.
  func targets(
    _ projection: Linear, _ tokens: SequentialReformation.Options.Tokens
  ) throws -> ProjectionProblem {
    let whole = try problem(projection, tokens)
    return try ownGoal.map { try problem(projection, tokens, toward: $0).beside(whole) } ?? whole
  }

  /// The distance of the projection from the goal.
  ///
  /// With a norm `N` behind the projection, the distance is taken back to its input, to first order: divided by the
  /// gains, without what is along the output, because the norm does not let its length through, and each token divided
  /// by that length.
  ///
  /// - Parameters:
  ///   - other: a goal in place of the stream's; tokens keep their weights.
  ///   - normalised: whether the squares of the tokens' weights are to have the mean 1.
  func problem(
    _ projection: Linear, _ tokens: SequentialReformation.Options.Tokens, toward other: Matrix<Float>? = nil,
    normalised: Bool = false
  ) throws -> ProjectionProblem {
    let goal = other ?? goal
    let remaining = pruned.copy()
    if let inputs { try runner.add(projection, from: module, postNorm: postNorm, of: inputs, to: remaining) }
    Kernels.scale(remaining.pointer, by: -1, count: remaining.count)
    Kernels.add(goal.pointer, to: remaining.pointer, count: remaining.count)
    let inputs = inputs ?? Matrix(rows: remaining.rows, columns: 0)
    var scales = (0..<remaining.rows).map { weight(of: $0, tokens) }
    if normalised {
      let square = scales.reduce(0) { $0 + $1 * $1 } / Float(max(1, scales.count))
      scales = scales.map { $0 / square.squareRoot() }
    }
    if tokens == .equal, postNorm.isEmpty { return ProjectionProblem(inputs: inputs, remaining: remaining) }
    let weighted = inputs.copy()
    if !postNorm.isEmpty { try takeBack(remaining, through: projection, inputs, &scales) }
    for (i, scale) in scales.enumerated() {
      if postNorm.isEmpty { Kernels.scale(remaining.row(i), by: scale, count: remaining.columns) }
      Kernels.scale(weighted.row(i), by: scale, count: weighted.columns)
    }
    return ProjectionProblem(inputs: weighted, remaining: remaining, scales: scales)
  }

  /// The weight of a token's error.
  private func weight(of token: Int, _ tokens: SequentialReformation.Options.Tokens) -> Float {
    if tokens == .equal { return 1 }
    let row = goal.row(token)
    let length = max(Kernels.dot(row, row, count: goal.columns), .leastNormalMagnitude).squareRoot()
    return 1 / (tokens == .relative ? length : length.squareRoot())
  }

  /// Takes weighted errors behind the norm to its input; `scales` become the weights of the projection's inputs.
  private func takeBack(
    _ remaining: Matrix<Float>, through projection: Linear, _ inputs: Matrix<Float>, _ scales: inout [Float]
  ) throws {
    let output = Matrix<Float>(rows: remaining.rows, columns: remaining.columns)
    try runner.add(projection, of: inputs, to: output)
    let mean = postNorm.reduce(0) { $0 + $1 * $1 } / Float(postNorm.count)
    // A gain near zero lets nothing through, and asks for nothing.
    let inverse = postNorm.map { $0 / ($0 * $0 + 1e-3 * mean) }
    for i in 0..<remaining.rows {
      let (rest, y) = (remaining.row(i), output.row(i))
      for j in inverse.indices { rest[j] *= inverse[j] * scales[i] }
      let square = max(Kernels.dot(y, y, count: output.columns), .leastNormalMagnitude)
      Kernels.addScaled(y, -Kernels.dot(y, rest, count: output.columns) / square, to: rest, count: output.columns)
      scales[i] /= (square / Float(output.columns)).squareRoot()
    }
  }

  /// Moments of the inputs of a module's projections in the subnet, and of their difference from those in the dense
  /// network. If no norm stands before the module, each token is divided by its length in the dense network.
  func inputMoments(_ module: LayerPart.Module, _ weights: LayerWeights, _ prunedWeights: LayerWeights) throws
    -> InputMoments
  {
    let (difference, inputs) = (dense.copy(), pruned.copy())
    try denseRunner.normalise(difference, gain: weights[gain: module.norm])
    try prunedRunner.normalise(inputs, gain: prunedWeights[gain: module.norm])
    Kernels.addScaled(inputs.pointer, -1, to: difference.pointer, count: difference.count)
    if weights[gain: module.norm].isEmpty {
      for i in 0..<dense.rows {
        let square = Kernels.dot(dense.row(i), dense.row(i), count: dense.columns) / Float(dense.columns)
        let factor = 1 / max(square, .leastNormalMagnitude).squareRoot()
        for rows in [difference, inputs] { Kernels.scale(rows.row(i), by: factor, count: rows.columns) }
      }
    }
    return try InputMoments(inputs: inputs, difference: difference)
  }
}
