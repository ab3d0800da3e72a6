import Calibration
import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Methods
import Runtime

/// A model with calibration text, ready for methods: what `prune` and `compare` share.
public final class PruningBench {
  public let model: LanguageModel
  public let fingerprint: String
  public let calibration: CalibrationFile
  private let plan: CalibrationPlan
  private let damping: SharedDamping
  private let cache: URL
  private let monitor: Monitor
  private var references: [Precision: DenseReference] = [:]

  /// Opens the model and reads or samples the calibration.
  ///
  /// - Parameters:
  ///   - stored: windows that were read before; `nil` reads those of the plan.
  ///   - damping: λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose.
  ///   - precision: in which the model runs while text is sampled from it.
  ///   - cache: folder for statistics and gradients.
  ///   - needs: what else will be written.
  ///   - monitor: hears of progress.
  public init(
    model: LanguageModel, plan: CalibrationPlan, stored: CalibrationFile? = nil, damping: Double?,
    precision: Precision = .single, cache: URL, needs: [DiskSpace.Need] = [],
    monitor: Monitor
  ) throws {
    self.model = model
    self.plan = plan
    self.damping = SharedDamping(damping)
    self.cache = cache
    self.monitor = monitor
    fingerprint = try model.fingerprint()
    try CachePlace(
      folder: cache, fingerprint: fingerprint,
      bytes: WorkEstimate.disk(model.configuration, sets: 1, outputMoments: 0)
    ).check(beside: needs)
    calibration =
      try stored
      ?? CalibrationFile(plan, model: model, fingerprint: fingerprint, precision: precision, monitor: monitor)
  }

  /// What may spoil the results.
  public var warnings: [String] { [calibration.shortage(for: model.configuration)].compactMap { $0 } }

  /// λ of the least squares where it is known by now.
  public var knownDamping: Double? { damping.known }

  /// The dense model on the held-out windows, for networks that run in a precision.
  public func reference(_ precision: Precision = .single) throws -> DenseReference {
    if let known = references[precision] { return known }
    try monitor.advance(.init(.reference), 0, of: 1)
    let made = try DenseReference(model, windows: calibration.fitness, precision: precision)
    references[precision] = made
    return made
  }

  /// What a method works with.
  ///
  /// - Parameter budget: block parameters at most.
  public func workbench(budget: Int) -> Workbench {
    Workbench(
      model: model, fingerprint: fingerprint, budget: budget, calibration: calibration.windows,
      heldOut: calibration.fitness,
      damping: damping, seed: plan.seed, cache: cache, dense: references[.single], monitor: monitor)
  }
}
