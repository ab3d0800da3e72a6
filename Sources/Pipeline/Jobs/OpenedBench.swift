import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Workbench

extension CalibrationFile {
  /// The workbench of a model, whose windows these are.
  ///
  /// - Parameter damping: as `Workbench.init` takes it.
  func bench(
    _ model: LanguageModel, damping: Double?, seed: UInt64 = 0, in context: JobContext, _ monitor: Monitor
  ) -> Workbench {
    Workbench(
      model: model, fingerprint: self.model, sets: sets.map(\.windows), heldOut: fitness, damping: damping, seed: seed,
      cache: context.cache, monitor: monitor)
  }
}

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
  ///   - needs: what else will be written.
  static func open(
    _ model: LanguageModel, _ plan: CalibrationPlan, stored: CalibrationFile? = nil, damping: Double?,
    precision: Precision = .single, needs: [DiskSpace.Need] = [], in context: JobContext, _ monitor: Monitor
  ) throws -> OpenedBench {
    try context.checkCache(
      model.fingerprint(), bytes: WorkEstimate.disk(model.configuration, sets: 1, outputMoments: 0), beside: needs)
    let calibration = try stored ?? .read(plan, model: model, precision: precision, monitor)
    let bench = calibration.bench(model, damping: damping, seed: plan.seed, in: context, monitor)
    return OpenedBench(bench: bench, calibration: calibration)
  }

  /// Tells of what may spoil the results.
  func warn(_ monitor: Monitor) {
    if let shortage = calibration.shortage(for: bench.configuration) { monitor.tell(JobWarning(text: shortage)) }
  }
}
