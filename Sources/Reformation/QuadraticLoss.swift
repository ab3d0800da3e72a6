import Subnets

/// A model of the loss in which errors of modules act together: with the errors `e` of the curves and correlations `ρ`
///
///     loss = Σ_m e_m + Σ_{m≠m'} ρ_{mm'}·√(e_m·e_{m'})
///
/// which is `½·E[(Σ_m z_m)²]` with `z` of `LossTerms`. The curves keep the diagonal: their factors, each averaged over
/// tokens, are less noisy than the terms.
public struct QuadraticLoss: Sendable {
  /// Two for each layer, attention, then MLP.
  public let curves: [ModuleCurve]
  /// By module and level: `√e`.
  private let roots: [[Double]]
  /// By layers between two modules.
  private let correlations: [Double]

  public init(_ curves: [ModuleCurve], _ correlation: ErrorCorrelation) {
    self.curves = curves
    roots = curves.map { $0.errors.map { max(0, $0).squareRoot() } }
    correlations = curves.indices.map { correlation.value(layersBetween: $0) }
  }

  /// The loss of a level of every curve, in their unit.
  public func value(_ levels: [Int]) -> Double {
    zip(curves, levels).reduce(0) { $0 + $1.0.errors[$1.1] }
      + levels.indices.reduce(0) { $0 + roots[$1][levels[$1]] * pull(on: $1, levels) }
  }

  /// The loss of widths; `nil` if one of them is not on its curve.
  public func value(_ widths: [LayerWidths]) -> Double? {
    let levels = zip(curves, widths.flatMap { [$0.groups, $0.channels] }).compactMap { $0.widths.firstIndex(of: $1) }
    return levels.count == curves.count ? value(levels) : nil
  }

  func correlation(_ a: Int, _ b: Int) -> Double { correlations[abs(a / 2 - b / 2)] }

  func root(_ module: Int, _ level: Int) -> Double { roots[module][level] }

  /// `Σ ρ·√e` over the other modules: the loss grows by twice that for each `√e` that the module adds.
  func pull(on module: Int, _ levels: [Int]) -> Double {
    var sum = 0.0
    for other in levels.indices where other != module {
      sum += correlation(module, other) * roots[other][levels[other]]
    }
    return sum
  }
}
