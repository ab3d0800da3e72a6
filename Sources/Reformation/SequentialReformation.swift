import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// Corrects a finished subnet layer by layer on its real activations.
///
/// Nested repair fits every projection as if the layers before it were dense. Here the pruned prefix is run, and each
/// projection is fitted so that its output comes as near as possible to a target `t`:
///
///     Ŵ = argmin  E‖Ŵ x − t‖² + λ‖Ŵ − W₁‖²
///
/// where `x` is the projection's input in the subnet and `W₁` its weight before. The error on held-out windows chooses
/// λ for each projection from a short list that ends with infinity, so a projection that the calibration cannot improve
/// keeps `W₁`.
public struct SequentialReformation: Sendable {
  /// The projections to fit, and their targets.
  public struct Options: Sendable, Equatable {
    /// The target of an output or down projection.
    public enum Target: String, CaseIterable, Sendable {
      /// `h* − h`: the whole difference so far between the dense residual stream `h*` and the subnet's stream `h`.
      case residual
      /// The output of the dense layer on the pruned prefix.
      case own
      /// Between the two: the share of their difference, the drift, that serves the held-out windows best, chosen for
      /// each projection. What the calibration explains of a drift is in part its own noise.
      case shared
    }

    public enum Scope: String, CaseIterable, Sendable {
      /// Output and down projections that lost inputs.
      case pruned
      /// All output and down projections.
      case outputs
      /// Query, key, value, gate and up projections, too: their inputs differ from the dense ones, and their targets
      /// are their outputs on the dense inputs. With this the fit depends less on the text of the calibration, and
      /// other texts lose less.
      case all
    }

    /// The weight of a token's error, before it is squared.
    ///
    /// The next norms see an error relative to the length of the residual stream. A few tokens of a window, mostly the
    /// first, are hundreds of times longer than the others. With equal weights they hide the others; relative weights
    /// neglect them, although all tokens attend to them.
    public enum Tokens: String, CaseIterable, Sendable {
      case equal
      /// Divided by the length of the dense residual stream there: between the two, and the most reliable
      /// (`results/which-sequential-repair`).
      case balanced
      /// Divided by the square of that length.
      case relative
    }

    public var target = Target.residual
    public var tokens = Tokens.balanced
    public var scope = Scope.all
    /// Whether output and down projections get a bias: the mean of the error, which no damping holds back.
    public var bias = false
    /// Whether the gate and up projections of an MLP are fitted to its output, too (`GatedFit`), where all projections
    /// are: not of experts, and not if a norm follows the MLP.
    public var gates = true
    /// Candidates for λ as shares of the mean diagonal of `E[x xᵀ]`, beside keeping the weight.
    public var dampings = [0.01, 0.1, 1.0]

    public init() {}

    fileprivate func fitsGates(of layer: LayerWeights) -> Bool {
      gates && scope == .all && layer[.gate].outputs > 0 && !layer.hasExperts && layer[gain: .mlpPostNorm].isEmpty
    }
  }

  /// The correction of one projection, or of gate and up projections together.
  public struct Step: Sendable {
    public let layer: Int
    /// `attention` or `mlp` for the output and the down projection, `gate and up` for these together, else the
    /// projection: `query`, `gate`, …
    public let module: String
    /// The chosen λ as a share of the mean diagonal; `nil` if the weight was kept. `gate and up` has none.
    public let damping: Double?
    /// Held-out error relative to that of the weight before; 1 if it was kept.
    public let heldOutError: Double
  }

  private let store: LayerStore
  public let steps: [Step]
  private let hasBiases: Bool

  /// - Parameters:
  ///   - parent: the dense network.
  ///   - subnet: the weights before, such as the nested solution's.
  ///   - calibration: windows to fit on.
  ///   - heldOut: windows to choose λ by, disjoint from the calibration.
  /// - Throws: `ReformationError` if activations are not finite.
  public init<Parent: Network>(
    parent: Parent, subnet: Subnet<Parent>, calibration: TokenWindows, heldOut: TokenWindows,
    options: Options = Options(), monitor: Monitor = .silent
  ) throws {
    let fit = try ResidualStreams(parent: parent, subnet: subnet, windows: calibration)
    let check = try ResidualStreams(parent: parent, subnet: subnet, windows: heldOut)
    let layers = try LayerStore(subnet.configuration, within: parent.memory)
    var steps: [Step] = []
    for index in 0..<subnet.configuration.layerCount {
      func fitter(_ module: String, bias: Bool) -> ProjectionFit {
        ProjectionFit(layer: index, module: module, dampings: options.dampings, bias: bias, engine: parent.engine)
      }
      let dense = try parent.layer(index)
      var pruned = try subnet.layer(index)
      for module in LayerPart.Module.allCases {
        guard module.width(of: parent.configuration.layers[index]) > 0 else { continue }
        let width = module.width(of: subnet.configuration.layers[index])
        if options.scope == .all, width > 0 {
          let (inputs, others) = (
            try fit.inputMoments(module, dense, pruned), try check.inputMoments(module, dense, pruned)
          )
          for projection in module.inputProjections where pruned[projection].outputs > 0 {
            try fitter("\(projection)", bias: false).improve(
              &pruned[projection], inputs.problem(pruned[projection]), others.problem(pruned[projection]), &steps)
          }
        }
        try fit.enter(module, dense: dense, pruned: pruned, target: options.target)
        try check.enter(module, dense: dense, pruned: pruned, target: options.target)
        // Experts may have lost channels, too.
        let isPruned = pruned[module.output].inputs < dense[module.output].inputs
        if width > 0, isPruned || options.scope != .pruned {
          let projection = pruned[toStream: module]
          if module == .mlp, pruned.hasExperts {
            try ExpertFit(
              fit.problem(projection, options.tokens), check.problem(projection, options.tokens),
              channels: pruned.activationsPerUnit
            ).improve(&pruned[toStream: module]) {
              try fitter("expert \($0)", bias: false).improve(&$1, $2, $3, &steps)
            }
          } else {
            let fitter = fitter(module.rawValue, bias: options.bias)
            try Self.fitOutput(&pruned, module, fitter, (fit, check), options, &steps)
            if module == .mlp, options.fitsGates(of: pruned) {
              let error = try GatedFit.improve(
                &pruned, parent.configuration.block.activation, parent.memory, fit: fit, check: check, options.tokens)
              steps.append(.init(layer: index, module: "gate and up", damping: nil, heldOutError: error))
              try Self.fitOutput(&pruned, module, fitter, (fit, check), options, &steps)
            }
          }
        }
        try fit.leave(pruned[toStream: module])
        try check.leave(pruned[toStream: module])
      }
      try layers.store(index, pruned)
      try monitor.advance(.init(.repair), index + 1, of: subnet.configuration.layerCount)
    }
    store = layers
    self.steps = steps
    hasBiases = options.bias
  }

  private typealias Streams = (fit: ResidualStreams, check: ResidualStreams)

  /// Fits the projection by which a module adds to the stream.
  private static func fitOutput(
    _ pruned: inout LayerWeights, _ module: LayerPart.Module, _ fitter: ProjectionFit, _ streams: Streams,
    _ options: Options, _ steps: inout [Step]
  ) throws {
    let projection = pruned[toStream: module]
    try fitter.improve(
      &pruned[module.output], streams.fit.targets(projection, options.tokens),
      streams.check.judge(projection, options.tokens), &steps)
  }

  /// The fitted weights of a layer.
  func layer(_ index: Int) throws -> LayerWeights { try store.layer(index) }

  /// The network with the fitted weights.
  ///
  /// - Parameter before: the subnet that was fitted.
  public func subnet<Parent: Network>(of before: Subnet<Parent>) -> Subnet<Parent> {
    let store = store
    let made = before.withLayers { try store.layer($0) }
    return hasBiases ? made.withOutputBiases() : made
  }
}

/// Fits one projection and lets held-out tokens choose the damping.
private struct ProjectionFit {
  let layer: Int
  let module: String
  let dampings: [Double]
  let bias: Bool
  let engine: any Engine

  func improve(
    _ projection: inout Linear, _ fit: some Correctable, _ check: any Judge,
    _ steps: inout [SequentialReformation.Step]
  ) throws {
    let baseline = check.error(nil)
    guard baseline.isFinite else {
      throw ReformationError.layer(layer, module: module, problem: "activations are not finite")
    }
    var best = (change: ProjectionProblem.Change?.none, error: baseline, damping: Double?.none)
    // If nothing is pruned yet, there is no error to correct.
    if baseline > 0 {
      let system = try fit.normalEquations(bias: bias)
      for damping in dampings {
        guard let solution = system.solve(damping: damping, on: engine) else { continue }
        let (change, error) = fit.isTwofold ? Self.between(solution.halves, check) : (solution, check.error(solution))
        if error < best.error { best = (change, error, damping) }
      }
    }
    if let change = best.change {
      let weight = projection.weight.copy()
      Kernels.add(change.weight.pointer, to: weight.pointer, count: weight.count)
      projection.weight = weight
      if let offset = change.bias {
        let before = projection.bias ?? Array(repeating: 0, count: offset.count)
        projection.bias = zip(before, offset).map(+)
      }
    }
    steps.append(
      .init(
        layer: layer, module: module, damping: best.damping, heldOutError: baseline > 0 ? best.error / baseline : 1))
  }

  /// The best change between those toward two goals: of a squared error it is where a parabola through three has its
  /// lowest point.
  private static func between(
    _ ends: (first: ProjectionProblem.Change, second: ProjectionProblem.Change), _ check: some Judge
  ) -> (change: ProjectionProblem.Change, error: Double) {
    let middle = ends.first.toward(ends.second, by: 0.5)
    var found = [(ends.first, check.error(ends.first)), (middle, check.error(middle))]
    found.append((ends.second, check.error(ends.second)))
    if let share = Parabola.lowest(found[0].1, found[1].1, found[2].1), share < 1 {
      let change = ends.first.toward(ends.second, by: Float(share))
      found.append((change, check.error(change)))
    }
    return found.min { $0.1 < $1.1 } ?? found[2]
  }
}

/// A parabola through the values at 0, ½ and 1.
enum Parabola {
  /// Where it is lowest, behind 0; `nil` if it is not.
  static func lowest(_ start: Double, _ half: Double, _ end: Double) -> Double? {
    let (slope, bend) = (4 * half - 3 * start - end, 2 * (start + end) - 4 * half)
    return bend > 0 && slope < 0 ? -slope / (2 * bend) : nil
  }
}
