import Calibration
import LanguageModels
import Runtime
import Subnets
import Synchronization

/// The error of every width of every module of a network, after repair, in one unit for all of them.
public enum ErrorCurves {
  /// The unit that makes errors of different modules comparable.
  public enum Metric: String, Sendable, CaseIterable, Codable {
    /// Squared error relative to the energy of the module's own output.
    case output
    /// Squared error relative to the energy of the residual stream behind the module.
    case residualStream = "residual"
    /// The loss that the error adds to second order, in nats (`NestedReformation.lossErrors`). Needs gradients.
    case loss

    /// The scalars whose output moments the metric needs.
    public var gradients: Set<BackwardPass.Scalar> { self == .loss ? [.sampledLoss] : [] }
  }

  /// Two curves for each layer: attention, then MLP.
  ///
  /// - Parameters:
  ///   - factory: makes the ranked layers; its repair is least squares.
  ///   - statistics: statistics of the choice's calibration set, with the gradients that the metric needs.
  ///   - layers: layers whose curves are wanted; `nil` for all.
  ///   - monitor: hears of the layers that are done.
  ///   - widths: allowed KV groups and MLP channels of a layer, ascending.
  /// - Throws: `ReformationError.noMoments` if gradients are missing, and the errors of the factory.
  public static func curves<Parent: Network>(
    _ factory: SubnetFactory<Parent>, _ choice: SubnetFactory<Parent>.Choice, _ statistics: any Statistics,
    metric: Metric, layers: [Int]? = nil, monitor: Monitor = .silent,
    widths: @Sendable (_ layer: Int) -> (groups: [Int], channels: [Int])
  ) throws -> [ModuleCurve] {
    precondition(factory.repair == .nested, "only least squares have error curves")
    let configuration = factory.parent.configuration
    let layers = layers ?? Array(0..<configuration.layerCount)
    let curves = Mutex([[ModuleCurve]](repeating: [], count: layers.count))
    let most = factory.parent.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
    try Threads.forEach(layers.count, atMost: most, of: .init(.curves), monitor) { place, _ in
      let index = layers[place]
      let layer = try factory.rankedLayer(index, choice)
      let (attention, mlp) = try errors(layer, index, statistics, metric)
      let allowed = widths(index)
      let queries = configuration.layers[index].queries(keeping: choice.queries)
      let both = [
        ModuleCurve(
          widths: allowed.groups, errors: allowed.groups.map { attention[$0] },
          costPerUnit: configuration.parametersPerKVGroup(queriesPerGroup: queries)),
        ModuleCurve(
          widths: allowed.channels, errors: allowed.channels.map { mlp[$0] },
          costPerUnit: configuration.with(expertChannels: choice.expertChannels).parametersPerMLPChannel),
      ]
      curves.withLock { $0[place] = both }
    }
    return curves.withLock { $0.flatMap { $0 } }
  }

  /// The widths with the least sum of errors.
  ///
  /// - Parameters:
  ///   - budget: largest number of block parameters.
  ///   - correlation: correlation of the errors; `nil` takes them for independent.
  /// - Returns: `nil` if even the narrowest widths exceed the budget.
  public static func widths(
    _ curves: [ModuleCurve], _ configuration: ModelConfiguration, budget: Int, correlation: ErrorCorrelation? = nil
  ) -> [LayerWidths]? {
    let modules = budget - configuration.layerCount * configuration.fixedParametersPerLayer
    return widths(curves, budget: modules, correlation: correlation)
  }

  /// The widths with the least sum of errors.
  ///
  /// - Parameters:
  ///   - budget: cost of all modules at most, in the unit of the curves' costs.
  ///   - correlation: correlation of the errors; `nil` takes them for independent.
  /// - Returns: `nil` if even the narrowest widths exceed the budget.
  public static func widths(
    _ curves: [ModuleCurve], budget: Int, correlation: ErrorCorrelation? = nil
  ) -> [LayerWidths]? {
    let found =
      correlation.map { QuadraticAllocation.allocate(QuadraticLoss(curves, $0), budget: budget) }
      ?? WidthAllocation.allocate(curves, budget: budget)
    guard let levels = found else { return nil }
    let widths = zip(levels, curves).map { $1.widths[$0] }
    return stride(from: 0, to: widths.count, by: 2).map { LayerWidths(groups: widths[$0], channels: widths[$0 + 1]) }
  }

  /// The error that the curves predict for widths, in the unit of the metric: the sum of their errors, and what these
  /// have together if a correlation is given.
  public static func error(
    _ curves: [ModuleCurve], _ widths: [LayerWidths], _ correlation: ErrorCorrelation? = nil
  ) -> Double {
    if let correlation, let found = QuadraticLoss(curves, correlation).value(widths) { return found }
    return zip(curves, widths.flatMap { [$0.groups, $0.channels] }).reduce(0) { sum, pair in
      sum + (pair.0.widths.firstIndex(of: pair.1).map { pair.0.errors[$0] } ?? 0)
    }
  }

  /// Errors of all widths of both modules, from 0 units to all; zeros if the layer has no such module.
  private static func errors(
    _ layer: RankedLayer, _ index: Int, _ statistics: any Statistics, _ metric: Metric
  ) throws -> (attention: [Double], mlp: [Double]) {
    var moments: BackwardPass.OutputMoments?
    if metric == .loss {
      moments = try statistics.saliencies(of: .sampledLoss, layer: index)?.outputMoments
      if moments == nil { throw ReformationError.noMoments }
    }
    let errors = layer.errors(moments)
    let (attention, mlp) = (errors.attention ?? [0], errors.mlp ?? [0])
    func relative(_ errors: [Double], to energy: Double) -> [Double] {
      energy > 0 ? errors.map { $0 / energy } : errors
    }
    switch metric {
    case .output: return (relative(attention, to: attention[0]), relative(mlp, to: mlp[0]))
    case .residualStream:
      let energies = try statistics.layer(index)
      return (
        relative(attention, to: energies.energyAfterAttention), relative(mlp, to: energies.energyAfterMLP)
      )
    case .loss: return (attention, mlp)
    }
  }
}
