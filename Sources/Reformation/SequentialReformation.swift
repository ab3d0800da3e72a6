import LanguageModels
import LinearAlgebra
import Subnets

/// Corrects a finished subnet layer by layer on the activations that it really has.
///
/// The nested reformation fits every projection as if the layers before it were dense. Here the pruned prefix is run, and
/// each pruned projection is fitted so that the residual stream after it comes as near as possible to the dense one:
///
///     Ŵ = argmin  E‖h + Ŵ x − h*‖² + λ‖Ŵ − W₁‖²
///
/// with `x` the projection's input and `h` the residual stream in the subnet, `h*` the dense stream after the sub-layer,
/// and `W₁` the nested solution. λ is chosen per projection by the error on held-out windows from a short list that ends
/// with infinity, so a projection that the calibration cannot improve keeps `W₁`.
public struct SequentialReformation: Sendable {
  /// Candidates for λ as shares of the mean diagonal of `E[x xᵀ]`, beside keeping the nested solution.
  private static let dampings = [0.01, 0.1, 1.0]

  /// What happened to one projection.
  public struct Step: Sendable {
    public let layer: Int
    /// `attention` or `mlp`.
    public let module: String
    /// The chosen λ as a share of the mean diagonal; `nil` where the nested solution was kept.
    public let damping: Double?
    /// Held-out error relative to that of the nested solution; 1 where it was kept.
    public let heldOutError: Double
  }

  public let layers: [LayerWeights]
  public let steps: [Step]

  /// - Parameters:
  ///   - parent: the dense network.
  ///   - subnet: the nested solution, layer by layer of the units kept.
  ///   - calibration: windows to fit on.
  ///   - heldOut: windows to choose λ by, disjoint from the calibration.
  /// - Throws: `ReformationError` where activations are not finite.
  public init<Parent: Network>(
    parent: Parent, subnet: Subnet<Parent>, calibration: TokenWindows, heldOut: TokenWindows,
    progress: ((_ layer: Int) throws -> Void)? = nil
  ) throws {
    let fit = try Streams(parent: parent, subnet: subnet, windows: calibration)
    let check = try Streams(parent: parent, subnet: subnet, windows: heldOut)
    var layers: [LayerWeights] = []
    var steps: [Step] = []
    for index in 0..<subnet.configuration.layerCount {
      let dense = try parent.layer(index)
      var pruned = try subnet.layer(index)
      let (denseShape, shape) = (parent.configuration.layers[index], subnet.configuration.layers[index])
      if denseShape.kvHeads > 0 {
        try fit.attention(dense: dense, pruned: pruned)
        try check.attention(dense: dense, pruned: pruned)
        if shape.kvHeads > 0, shape.kvHeads < denseShape.kvHeads {
          steps.append(try Self.improve(&pruned.output, index, "attention", fit, check))
        }
        try fit.advance(pruned.output)
        try check.advance(pruned.output)
      }
      if denseShape.mlpChannels > 0 {
        try fit.mlp(dense: dense, pruned: pruned)
        try check.mlp(dense: dense, pruned: pruned)
        if shape.mlpChannels > 0, shape.mlpChannels < denseShape.mlpChannels {
          steps.append(try Self.improve(&pruned.down, index, "mlp", fit, check))
        }
        try fit.advance(pruned.down)
        try check.advance(pruned.down)
      }
      layers.append(pruned)
      try progress?(index)
    }
    self.layers = layers
    self.steps = steps
  }

  private static func improve(
    _ projection: inout Linear, _ layer: Int, _ module: String, _ fit: Streams, _ check: Streams
  ) throws -> Step {
    let inherited = projection
    let baseline = try check.error(inherited)
    guard baseline.isFinite else {
      throw ReformationError.layer(layer, module: module, problem: "activations are not finite")
    }
    var best = (weight: inherited.weight, error: baseline, damping: Double?.none)
    let system = try fit.normalEquations(around: inherited)
    for damping in dampings {
      guard let change = system.solve(damping: damping) else { continue }
      let candidate = inherited.weight.copy()
      Kernels.add(change.pointer, to: candidate.pointer, count: candidate.count)
      let error = try check.error(Linear(weight: candidate, bias: inherited.bias))
      if error < best.error { best = (candidate, error, damping) }
    }
    projection.weight = best.weight
    return Step(
      layer: layer, module: module, damping: best.damping, heldOutError: baseline > 0 ? best.error / baseline : 1)
  }
}

/// The residual streams of the dense network and of the subnet over the same windows, advanced together.
private final class Streams {
  private let pass: ForwardPass
  private let denseRunner: ForwardPass.LayerRunner
  private let prunedRunner: ForwardPass.LayerRunner
  private let dense: Matrix<Float>
  private let pruned: Matrix<Float>
  /// Inputs of the pruned projection at hand, shape `[tokens, inputs]`; `nil` where the subnet has no such module.
  private var inputs: Matrix<Float>?

  init<Parent: Network>(parent: Parent, subnet: Subnet<Parent>, windows: TokenWindows) throws {
    pass = ForwardPass(windows)
    denseRunner = pass.runner(for: parent.configuration)
    prunedRunner = pass.runner(for: subnet.configuration)
    dense = try pass.embed(parent)
    pruned = try pass.embed(subnet)
  }

  /// Takes the dense stream past the attention and computes the subnet's projection inputs.
  func attention(dense weights: LayerWeights, pruned prunedWeights: LayerWeights) throws {
    let context = try denseRunner.attentionContext(layer: weights, dense)
    try denseRunner.add(weights.output, of: context, to: dense)
    inputs =
      prunedWeights.output.inputs > 0 ? try prunedRunner.attentionContext(layer: prunedWeights, pruned) : nil
  }

  /// Takes the dense stream past the MLP and computes the subnet's projection inputs.
  func mlp(dense weights: LayerWeights, pruned prunedWeights: LayerWeights) throws {
    let hidden = try denseRunner.mlpHidden(layer: weights, dense)
    try denseRunner.add(weights.down, of: hidden, to: dense)
    inputs = prunedWeights.down.inputs > 0 ? try prunedRunner.mlpHidden(layer: prunedWeights, pruned) : nil
  }

  /// Takes the subnet's stream past the module.
  func advance(_ projection: Linear) throws {
    if let inputs { try prunedRunner.add(projection, of: inputs, to: pruned) }
  }

  /// `dense − (pruned + projection(inputs))`, shape `[tokens, hidden]`.
  private func residual(_ projection: Linear) throws -> Matrix<Float> {
    let result = pruned.copy()
    if let inputs { try prunedRunner.add(projection, of: inputs, to: result) }
    Kernels.scale(result.pointer, by: -1, count: result.count)
    Kernels.add(dense.pointer, to: result.pointer, count: result.count)
    return result
  }

  /// Mean squared distance of the subnet's stream from the dense one after the projection.
  func error(_ projection: Linear) throws -> Double {
    let difference = try residual(projection)
    return (0..<difference.rows).reduce(0.0) { sum, i in
      sum + Double(Kernels.dot(difference.row(i), difference.row(i), count: difference.columns))
    } / Double(difference.rows)
  }

  func normalEquations(around projection: Linear) throws -> NormalEquations {
    let inputs = inputs ?? Matrix(rows: 0, columns: projection.inputs)
    return try NormalEquations(inputs: inputs, targets: residual(projection))
  }
}

/// `(E[x xᵀ] + λI)·Δᵀ = E[x rᵀ]` for a change Δ of a projection with inputs `x` and remaining error `r`.
private struct NormalEquations {
  private let gram: Matrix<Double>
  private let cross: Matrix<Double>

  /// - Parameters:
  ///   - inputs: shape `[tokens, inputs]`.
  ///   - targets: shape `[tokens, outputs]`.
  init(inputs: Matrix<Float>, targets: Matrix<Float>) throws {
    // A fixed number of lanes keeps the sums independent of the number of cores.
    let lanes = ForwardPass.lanes
    let grams = (0..<lanes).map { _ in Matrix<Float>(rows: inputs.columns, columns: inputs.columns) }
    let crosses = (0..<lanes).map { _ in Matrix<Float>(rows: inputs.columns, columns: targets.columns) }
    try Threads.forEach(lanes) { lane, _ in
      let rows = lane * inputs.rows / lanes..<(lane + 1) * inputs.rows / lanes
      accumulateGram(inputs.rows(rows), accumulate: 0, into: grams[lane])
      multiply(inputs.rows(rows), targets.rows(rows), transposingA: true, into: crosses[lane])
    }
    for lane in 1..<lanes {
      Kernels.add(grams[lane].pointer, to: grams[0].pointer, count: grams[0].count)
      Kernels.add(crosses[lane].pointer, to: crosses[0].pointer, count: crosses[0].count)
    }
    mirrorUpperTriangle(grams[0])
    let scale = 1 / Float(max(1, inputs.rows))
    Kernels.scale(grams[0].pointer, by: scale, count: grams[0].count)
    Kernels.scale(crosses[0].pointer, by: scale, count: crosses[0].count)
    gram = grams[0].widened()
    cross = crosses[0].widened()
  }

  /// Δ, shape `[outputs, inputs]`; `nil` where the damped Gram is singular.
  func solve(damping: Double) -> Matrix<Float>? {
    let damped = gram.copy()
    let trace = (0..<gram.rows).reduce(0.0) { $0 + gram[$1, $1] }
    for i in 0..<gram.rows { damped[i, i] += damping * trace / Double(gram.rows) }
    guard let factor = try? CholeskyFactor(factorising: damped) else { return nil }
    let solution = cross.copy()
    factor.solveLower(solution)
    factor.solveLowerTransposed(solution)
    return solution.transposedNarrowed()
  }
}
