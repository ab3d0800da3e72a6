import Foundation

/// A smooth correction of error curves: they miss a trend over depth and kind of module, not noise.
///
/// The second-order error of a module is taken with everything else dense. If modules are cut together, early errors
/// are carried on, later ones are partly made up for, and large ones saturate. A warp multiplies the error `e` of a
/// module at depth `t ∈ [−½, ½]` by a few numbers that a search can find:
///
///     e ↦ exp( attention + tiltₘ·t + bend·(12t² − 1) ) · e^{exp(power)}
///
/// `attention` holds for attention modules only. `tiltₘ` is one number for attention and another for MLP. All zeros
/// change nothing.
public struct CurveWarp: Sendable, Equatable {
  /// `attention`, `tilt` of attention, `tilt` of MLP, `bend`, `power`.
  public var parameters: [Double]

  /// Steps that change an allocation noticeably.
  public static let scales = [0.7, 1.0, 1.0, 0.5, 0.2]

  public init(_ parameters: [Double] = scales.map { _ in 0 }) { self.parameters = parameters }

  /// One step up or down in each parameter.
  public static let steps: [CurveWarp] = scales.indices.flatMap { place in
    [1.0, -1.0].map { sign in
      CurveWarp(scales.indices.map { $0 == place ? sign * scales[place] : 0 })
    }
  }

  /// - Parameter curves: two for each layer, attention, then MLP.
  public func apply(_ curves: [ModuleCurve]) -> [ModuleCurve] {
    let layers = max(1, curves.count / 2 - 1)
    let power = exp(parameters[4])
    return curves.enumerated().map { place, curve in
      let depth = Double(place / 2) / Double(layers) - 0.5
      let isAttention = place % 2 == 0
      let exponent =
        (isAttention ? parameters[0] + parameters[1] * depth : parameters[2] * depth)
        + parameters[3] * (12 * depth * depth - 1)
      return ModuleCurve(
        widths: curve.widths, errors: curve.errors.map { exp(exponent) * pow(max(0, $0), power) },
        costs: curve.costs)
    }
  }
}
