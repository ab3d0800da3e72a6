import LanguageModels
import LinearAlgebra
import Subnets

/// The residual streams of the dense network and of the subnet over the same windows, advanced together.
final class ResidualStreams {
  private let pass: ForwardPass
  private let denseRunner: any EnginePass
  private let prunedRunner: any EnginePass
  private let dense: Matrix<Float>
  private let pruned: Matrix<Float>
  /// The goal of the subnet's stream after the current module.
  private var goal: Matrix<Float>
  /// Inputs of the current pruned projection, shape `[tokens, inputs]`; `nil` if the subnet has no such module.
  private var inputs: Matrix<Float>?

  init<Parent: Network>(parent: Parent, subnet: Subnet<Parent>, windows: TokenWindows) throws {
    pass = ForwardPass(windows)
    denseRunner = pass.runner(for: parent)
    prunedRunner = pass.runner(for: subnet)
    dense = try pass.embed(parent)
    pruned = try pass.embed(subnet)
    goal = dense
  }

  /// Moves the dense stream past the module and computes the subnet's projection inputs.
  func enter(
    _ module: LayerPart.Module, dense weights: LayerWeights, pruned prunedWeights: LayerWeights,
    target: SequentialReformation.Options.Target
  ) throws {
    let output = weights[module.output]
    goal = dense
    if target == .own {
      goal = pruned.copy()
      try denseRunner.add(output, of: denseRunner.inputs(of: module, layer: weights, pruned), to: goal)
    }
    try denseRunner.add(output, of: denseRunner.inputs(of: module, layer: weights, dense), to: dense)
    inputs =
      prunedWeights[module.output].inputs > 0
      ? try prunedRunner.inputs(of: module, layer: prunedWeights, pruned) : nil
  }

  /// Moves the subnet's stream past the module.
  func leave(_ projection: Linear) throws {
    if let inputs { try prunedRunner.add(projection, of: inputs, to: pruned) }
  }

  /// The distance of the projection from the goal.
  func problem(_ projection: Linear, _ tokens: SequentialReformation.Options.Tokens) throws -> ProjectionProblem {
    let remaining = pruned.copy()
    if let inputs { try prunedRunner.add(projection, of: inputs, to: remaining) }
    Kernels.scale(remaining.pointer, by: -1, count: remaining.count)
    Kernels.add(goal.pointer, to: remaining.pointer, count: remaining.count)
    let inputs = inputs ?? Matrix(rows: remaining.rows, columns: 0)
    if tokens == .equal { return ProjectionProblem(inputs: inputs, remaining: remaining) }
    let weighted = inputs.copy()
    var scales = Array(repeating: Float(0), count: remaining.rows)
    for i in 0..<remaining.rows {
      let length = max(Kernels.dot(goal.row(i), goal.row(i), count: goal.columns), .leastNormalMagnitude).squareRoot()
      let scale = 1 / (tokens == .relative ? length : length.squareRoot())
      scales[i] = scale
      Kernels.scale(remaining.row(i), by: scale, count: remaining.columns)
      Kernels.scale(weighted.row(i), by: scale, count: weighted.columns)
    }
    return ProjectionProblem(inputs: weighted, remaining: remaining, scales: scales)
  }

  /// Moments of the inputs of a module's projections in the subnet, and of their difference from those in the dense
  /// network.
  func inputMoments(_ module: LayerPart.Module, _ weights: LayerWeights, _ prunedWeights: LayerWeights) throws
    -> InputMoments
  {
    let (difference, inputs) = (dense.copy(), pruned.copy())
    try denseRunner.normalise(difference, gain: weights[gain: module.norm])
    try prunedRunner.normalise(inputs, gain: prunedWeights[gain: module.norm])
    Kernels.addScaled(inputs.pointer, -1, to: difference.pointer, count: difference.count)
    return try InputMoments(inputs: inputs, difference: difference)
  }
}
