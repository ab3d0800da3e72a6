import Calibration
import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Workbench

/// A workbench whose calibration was read or sampled.
struct OpenedBench {
  let bench: Workbench
  let calibration: CalibrationFile

  /// Reads or samples the calibration of a model.
  ///
  /// - Parameters:
  ///   - stored: windows that were read before; `nil` reads those of the plan.
  ///   - damping: λ of the least squares as a share of the Gram's mean diagonal; `nil` lets held-out tokens choose.
  ///   - precision: in which the model runs while text is sampled from it.
  ///   - cache: folder for statistics and gradients.
  ///   - needs: what else will be written.
  static func open(
    _ model: LanguageModel, _ plan: CalibrationPlan, stored: CalibrationFile? = nil, damping: Double?,
    precision: Precision = .single, cache: URL, needs: [DiskSpace.Need] = [], _ monitor: Monitor
  ) throws -> OpenedBench {
    let fingerprint = try model.fingerprint()
    try CachePlace(
      folder: cache, fingerprint: fingerprint,
      bytes: WorkEstimate.disk(model.configuration, sets: 1, outputMoments: 0)
    ).check(beside: needs)
    let calibration =
      try stored ?? .read(plan, model: model, precision: precision, monitor)
    let bench = Workbench(
      model: model, fingerprint: fingerprint, sets: calibration.sets.map(\.windows), heldOut: calibration.fitness,
      damping: damping, seed: plan.seed, cache: cache, monitor: monitor)
    return OpenedBench(bench: bench, calibration: calibration)
  }

  /// Tells of what may spoil the results.
  func warn(_ monitor: Monitor) {
    if let shortage = calibration.shortage(for: bench.configuration) { monitor.tell(JobWarning(shortage)) }
  }
}
