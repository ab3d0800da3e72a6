import Evaluation
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Subnets

/// A bench whose model has narrower heads, and what became of them.
public struct NarrowerHeads {
  /// Prunes the narrower model, and goes on comparing with the one that was given.
  public let bench: Workbench
  /// Rotary pairs that stay, ascending.
  public let pairs: [Int]
  /// KL divergence of the narrower model from the given one on the held-out windows, in nats a token.
  public let divergence: Double
  /// `sequential` if that lowered the divergence, else `nested`.
  public let repair: Repair
}

extension Workbench {
  /// Makes the heads of the model narrower, and repairs what that does on the activations that layers then have.
  ///
  /// All further work is on the narrower model: its statistics, its units. What subnets are compared with, and what the
  /// sequential repair aims at, stays the given model.
  ///
  /// - Parameter dimension: number of dimensions of the narrower heads.
  /// - Throws: the errors of `NarrowedHeads`.
  public func narrowingHeads(to dimension: Int) throws -> NarrowerHeads {
    try NarrowedHeads<LanguageModel>.check(configuration, dimension: dimension)
    let statistics = try statistics(gradients: [.sampledLoss], samples: SearchPlan().gradientWindows)
    let damping = try damping()
    let reference = try reference()
    return try timed(.repair) {
      let heads = try NarrowedHeads(
        of: model, dimension: dimension, windows: calibration.first(Self.headWindows), statistics: statistics,
        damping: damping, monitor: monitor)
      let nested = try RepairDecision.Repaired(heads.network, repair: .nested, on: reference)
      var chosen = nested
      if dimension < configuration.headDimension {
        chosen = try RepairDecision.make(
          nested, inherited: heads.network, parent: model, calibration: calibration, reference: reference, monitor
        ).chosen
      }
      let narrow = LanguageModel(model, configuration: heads.network.configuration) { [network = chosen.network] in
        try network.layer($0)
      }
      let bench = Workbench(
        model: narrow, fingerprint: fingerprint(of: dimension), sets: sets, heldOut: heldOut, damping: givenDamping,
        seed: seed, cache: cache, monitor: monitor)
      bench.dense = model
      return NarrowerHeads(
        bench: bench, pairs: heads.pairs, divergence: chosen.comparison.divergence, repair: chosen.repair)
    }
  }

  /// Number of calibration windows on which queries meet keys.
  private static let headWindows = 16

  /// Of the narrower model: of the given one, and all that the narrower depends on.
  private func fingerprint(of dimension: Int) -> String {
    if dimension == configuration.headDimension { return fingerprint }
    let key = Fingerprint()
    key.add("\(fingerprint) heads of \(dimension) dimensions, damping \(givenDamping.map { "\($0)" } ?? "chosen")")
    for windows in sets.map(\.calibration) + [heldOut] {
      key.add("\(windows.length)")
      key.add(tokens: windows.tokens)
    }
    return key.text
  }
}
