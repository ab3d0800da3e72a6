import Calibration
import Foundation
import Importance
import LanguageModels
import Runtime
import Subnets

/// What a search knows of its calibration sets.
extension SearchSession {
  /// The statistics of every choice of a calibration set, with the gradients that scores and error curves need.
  static func statistics(
    _ model: LanguageModel, _ fingerprint: String, _ calibration: CalibrationFile, _ cache: URL, _ bound: BoundSpace,
    plan: CalibrationPlan, lossGradients: Bool, _ monitor: Monitor
  ) throws -> [any Statistics] {
    let store = StatisticsStore(folder: cache)
    let total = model.configuration.layerCount
    let scalars = try scalars(bound, lossGradients: lossGradients)
    let gradients = scalars.isEmpty ? [] : calibration.sets.map { GradientWindows($0, plan.gradientWindows) }
    var all: [any Statistics] = []
    // All windows, or the first of them where their number is a gene.
    for samples in bound.space.samples.isEmpty ? [nil] : bound.space.samples.map(Optional.init) {
      var sets: [any Statistics] = []
      for (place, set) in calibration.sets.enumerated() {
        try monitor.checkCancelled()
        let name = BoundSpace.statistics(set.name, samples: samples)
        var windows = set.windows.calibration
        if let samples {
          guard samples <= windows.count else {
            throw PipelineError.invalidOption(
              "the space takes \(samples) samples, but '\(set.name)' has \(windows.count) --calibration-windows")
          }
          windows = windows.windows(0..<samples)
        }
        sets.append(
          try store.statistics(
            name: name, of: model, fingerprint: fingerprint, windows: windows,
            record: gradients.isEmpty ? nil : gradients[place].record(running: windows), monitor: monitor))
      }
      all += sets
      if bound.calibrations.contains(BoundSpace.mix) {
        all.append(MixedStatistics(name: BoundSpace.statistics(BoundSpace.mix, samples: samples), sets))
      }
    }
    if scalars.isEmpty { return all }
    let gradientStore = GradientStore(folder: cache)
    return try all.map { statistics in
      // Gradients are those of the set, however many windows the statistics have.
      let choice = bound.calibrations.first { choice in
        ([nil] + bound.space.samples.map(Optional.init)).contains {
          BoundSpace.statistics(choice, samples: $0) == statistics.name
        }
      }
      // A set that is only a part of the mixture is ranked by nothing.
      guard let choice else { return statistics }
      let parts = gradients.filter { choice == BoundSpace.mix || $0.set == choice }
      let each = max(1, plan.gradientWindows / max(1, parts.count))
      var saliencies: [BackwardPass.Scalar: StoredSaliencies] = [:]
      for scalar in scalars.sorted(by: { $0.rawValue < $1.rawValue }) {
        saliencies[scalar] = try gradientStore.saliencies(
          of: scalar, network: model, fingerprint: fingerprint, windows: GradientWindows.joined(parts, first: each),
          recorded: GradientWindows.recorded(parts, first: each, layers: total), subject: statistics.name,
          monitor: monitor)
      }
      return StatisticsWithGradients(statistics, gradients: saliencies)
    }
  }
}

/// The first windows of a set, for a backward pass; with their residual stream, if the pass for the statistics ran.
private struct GradientWindows {
  /// The set's name.
  let set: String
  private let windows: TokenWindows
  private let record: ResidualRecord

  init(_ set: CalibrationFile.StoredSet, _ count: Int) {
    let all = set.windows.calibration
    self.set = set.name
    windows = all.windows(0..<min(count, all.count))
    record = ResidualRecord(tokens: windows.tokens.count)
  }

  /// The record, for a pass over windows that begin with these, where there was none yet.
  func record(running all: TokenWindows) -> ResidualRecord? {
    record.count == 0 && all.count >= windows.count ? record : nil
  }

  private func first(_ count: Int) -> TokenWindows { windows.windows(0..<min(count, windows.count)) }

  /// The first windows of each set.
  static func joined(_ parts: [GradientWindows], first count: Int) -> TokenWindows {
    TokenWindows(length: parts.first?.windows.length ?? 1, tokens: parts.flatMap { $0.first(count).tokens })
  }

  /// What was recorded of them; `nil` where that of one is missing.
  static func recorded(_ parts: [GradientWindows], first count: Int, layers: Int) -> BackwardPass.Recorded? {
    guard parts.allSatisfy({ $0.record.count == layers + 1 }) else { return nil }
    return parts.map { ($0.record, $0.first(count).tokens.count) }
  }
}
