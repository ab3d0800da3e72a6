import Calibration
import LanguageModels
import LinearAlgebra
import Subnets

/// A pass that gathers the statistics of every layer as a pruned network would meet it.
///
/// The dense network and a subnet of it run together over the same windows. Each module of the dense network, with all
/// its units, reads the subnet's residual stream; its inputs `x` there, and what its output lacks,
///
///     r = h* − h − W x
///
/// with the dense stream `h*` behind the module and the subnet's stream `h` before it, give the moments `E[x xᵀ]` and
/// `E[x rᵀ]`. Then the subnet's own module moves its stream on. So units that the subnet has lost are there to be
/// chosen again.
public enum PrefixStatistics {
  /// - Parameters:
  ///   - subnet: subnet of the parent; no mixture of experts.
  ///   - dense: the parent's own statistics on the windows.
  ///   - tokens: weight of a token's error. The mean of the squared weights is 1.
  ///   - body: given each layer's statistics in the order of the layers.
  /// - Throws: `ReformationError.expertsHaveNoPrefix`, and what the networks and `body` throw.
  public static func run<Parent: Network>(
    _ parent: Parent, _ subnet: Subnet<Parent>, on windows: TokenWindows, dense: any Statistics,
    tokens: SequentialReformation.Options.Tokens, _ body: (_ layer: Int, _ statistics: LayerStatistics) throws -> Void
  ) throws {
    let configuration = parent.configuration
    if configuration.block.experts != nil { throw ReformationError.expertsHaveNoPrefix }
    let streams = try ResidualStreams(parent: parent, subnet: subnet, windows: windows)
    for (index, shape) in configuration.layers.enumerated() {
      let (weights, pruned) = (try parent.layer(index), try subnet.layer(index))
      let activations = WholeActivations(
        shape, in: configuration, tokens: windows.tokens.count, bytes: parent.memory.lanes, engine: parent.engine)
      for module in LayerPart.Module.allCases {
        try streams.gather(module, weights, tokens, into: activations)
        try streams.follow(module, pruned: pruned)
        try activations.add(module == .attention ? .afterAttention : .afterMLP, streams.stream)
      }
      var statistics = activations.finish()
      if configuration.normalisesHeadsJointly {
        let known = try dense.layer(index)
        (statistics.queryShares, statistics.keyShares) = (known.queryShares, known.keyShares)
      }
      try body(index, statistics)
    }
  }
}

extension ResidualStreams {
  /// Takes the activations of all units of a module of the dense network, and what its output lacks.
  fileprivate func gather(
    _ module: LayerPart.Module, _ weights: LayerWeights, _ tokens: SequentialReformation.Options.Tokens,
    into activations: WholeActivations
  ) throws {
    try enterWhole(module, dense: weights)
    let projection = weights[toStream: module]
    let problem = try problem(projection, tokens, normalised: true)
    try activations.add(remaining: problem.remaining, of: problem.inputs, to: module)
    guard projection.inputs > 0 else { return }
    let isAttention = module == .attention
    try activations.add(isAttention ? .attentionInput : .mlpInput, normed(module, weights))
    try activations.add(
      isAttention ? .attentionContext : .mlpHidden, problem.inputs,
      factors: problem.scales.map { (isAttention ? .attentionFactors : .mlpFactors, $0) })
  }
}
