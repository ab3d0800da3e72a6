import Calibration
import LanguageModels
import LinearAlgebra
import Reformation
import Subnets

/// What a workbench knows of its calibration sets. A choice is the name of a set, or `BoundSpace.mix` for all together.
extension Workbench {
  struct GradientKey: Hashable {
    let scalar: BackwardPass.Scalar
    let windows: TokenWindows
  }

  /// The first windows of a set, for a backward pass; with their residual stream, if the pass for the statistics ran.
  typealias RecordedWindows = (windows: TokenWindows, record: ResidualRecord)

  /// All calibration text: the mixture if there are several sets.
  public var whole: String { sets.count == 1 ? sets[0].name : BoundSpace.mix }

  // MARK: - Windows

  /// Windows of a choice, set after set.
  ///
  /// - Parameter samples: the first windows of each set; `nil` for all.
  public func windows(of choice: String? = nil, samples: Int? = nil) -> TokenWindows {
    let parts = parts(choice ?? whole).map(\.calibration)
    return TokenWindows(
      length: parts.first?.length ?? 1,
      tokens: parts.flatMap { $0.tokens.prefix(samples.map { $0 * (parts.first?.length ?? 1) } ?? .max) })
  }

  /// All calibration windows. The sets take turns, so that the first few windows have something of every set.
  public var calibration: TokenWindows { TokenWindows(takingTurns: sets.map(\.calibration)) }

  /// All windows of a descent, likewise.
  public var training: TokenWindows { TokenWindows(takingTurns: sets.map(\.training)) }

  /// The share of those that no statistics are gathered on.
  public var freshShare: Double { training.fresh(beside: calibration) }

  /// `samples` stretches of the calibration text, drawn by the bench's seed and `number`; as many as there are.
  public func subset(_ number: Int, samples: Int, length: Int) -> TokenWindows {
    let calibration = calibration
    let length = min(length, calibration.length)
    let perWindow = calibration.length / length
    var random = SeededGenerator(seed: seed, stream: 1000 + UInt64(number))
    let places = Array(0..<calibration.count * perWindow).shuffled(using: &random).prefix(samples)
    return TokenWindows(
      places.sorted().map { place in
        let start = place % perWindow * length
        let window = calibration[place / perWindow]
        return Array(window[window.startIndex + start..<window.startIndex + start + length])
      })
  }

  func parts(_ choice: String) -> [CalibrationSet] {
    choice == BoundSpace.mix ? sets : sets.filter { $0.name == choice }
  }

  // MARK: - Statistics

  /// Activation statistics of all calibration text.
  public func statistics() throws -> any Statistics { try statistics(of: whole, samples: nil, recording: nil) }

  /// Activation statistics of all calibration text with gradients on its first windows.
  ///
  /// - Parameter samples: windows for gradients, of all sets together.
  public func statistics(gradients scalars: Set<BackwardPass.Scalar>, samples: Int) throws -> any Statistics {
    defer { recorded = [:] }
    let statistics = try statistics(of: whole, samples: nil, recording: scalars.isEmpty ? nil : samples)
    return try withGradients(statistics, of: scalars) { try saliencies(of: $0, windows: samples) }
  }

  /// Activation statistics of all calibration text with gradients on other windows.
  public func statistics(
    gradients scalars: Set<BackwardPass.Scalar>, on windows: TokenWindows
  ) throws -> any Statistics {
    try withGradients(statistics(), of: scalars) { try saliencies(of: $0, on: windows, recorded: nil, name: whole) }
  }

  /// The statistics of every choice that genes of a space name, with gradients.
  ///
  /// - Parameter count: windows for gradients, of all sets of a choice together.
  public func statistics(
    for bound: BoundSpace, gradients scalars: Set<BackwardPass.Scalar>, windows count: Int
  ) throws -> [any Statistics] {
    defer { recorded = [:] }
    let recording = scalars.isEmpty ? nil : count
    var all: [(choice: String, statistics: any Statistics)] = []
    // All windows, or the first of them where their number is a gene.
    for samples in bound.space.samples.isEmpty ? [nil] : bound.space.samples.map(Optional.init) {
      let mixes = bound.calibrations.contains(BoundSpace.mix)
      for choice in sets.map(\.name) + (mixes ? [BoundSpace.mix] : []) {
        all.append((choice, try statistics(of: choice, samples: samples, recording: recording)))
      }
    }
    return try all.map { choice, statistics in
      // A set that is only a part of the mixture is ranked by nothing.
      guard bound.calibrations.contains(choice) else { return statistics }
      return try withGradients(statistics, of: scalars) { try saliencies(of: $0, choice: choice, windows: count) }
    }
  }

  /// - Parameters:
  ///   - samples: the first windows of each set; `nil` for all.
  ///   - recording: windows for gradients that will be asked for; `nil` if none will be.
  func statistics(of choice: String, samples: Int?, recording: Int?) throws -> any Statistics {
    let name = BoundSpace.statistics(choice, samples: samples)
    if choice == BoundSpace.mix, sets.count > 1 {
      let parts = try sets.map { try statistics(of: $0.name, samples: samples, recording: recording) }
      return MixedStatistics(name: name, parts)
    }
    guard let set = parts(choice).first else {
      throw ReformationError.unknownCalibration(name: choice, known: sets.map(\.name))
    }
    let made = try gathered[name] ?? gather(set, name, samples: samples, recording: recording)
    gathered[name] = made
    charge(made.cost, of: "statistics of \(name)")
    return made
  }

  private func gather(_ set: CalibrationSet, _ name: String, samples: Int?, recording: Int?) throws -> any Statistics {
    var windows = set.calibration
    if let samples {
      guard samples <= windows.count else {
        throw CalibrationError.contradiction(
          "the space takes \(samples) samples, but '\(set.name)' has \(windows.count) --calibration-windows")
      }
      windows = windows.windows(0..<samples)
    }
    // Where there is no record yet, and the pass runs all that is to be recorded.
    let record = recording.map { recordedWindows(set, $0) }.flatMap {
      $0.record.count == 0 && windows.count >= $0.windows.count ? $0.record : nil
    }
    return try statisticsStore.statistics(
      name: name, of: model, fingerprint: fingerprint, windows: windows, record: record, monitor: monitor)
  }

  // MARK: - Gradients

  private func withGradients(
    _ statistics: any Statistics, of scalars: Set<BackwardPass.Scalar>,
    _ gradients: (BackwardPass.Scalar) throws -> StoredSaliencies
  ) throws -> any Statistics {
    if scalars.isEmpty { return statistics }
    var all: [BackwardPass.Scalar: StoredSaliencies] = [:]
    for scalar in scalars.sorted(by: { $0.rawValue < $1.rawValue }) { all[scalar] = try gradients(scalar) }
    return StatisticsWithGradients(statistics, gradients: all)
  }

  /// Gradients on the first windows of a choice; `nil` for all calibration text.
  public func saliencies(
    of scalar: BackwardPass.Scalar, choice: String? = nil, windows count: Int
  ) throws -> StoredSaliencies {
    let choice = choice ?? whole
    let parts = parts(choice).map { recordedWindows($0, count) }
    let first = firstWindows(of: choice, count)
    let areRecorded = parts.allSatisfy { $0.record.count == configuration.layerCount + 1 }
    return try saliencies(
      of: scalar, on: gradientWindows(of: choice, count),
      recorded: areRecorded ? zip(parts, first).map { ($0.record, $1.tokens.count) } : nil, name: choice)
  }

  /// The windows of a choice that gradients are taken on, set after set.
  ///
  /// - Parameter count: windows of all sets together.
  func gradientWindows(of choice: String, _ count: Int) -> TokenWindows {
    let first = firstWindows(of: choice, count)
    return TokenWindows(length: first.first?.length ?? 1, tokens: first.flatMap(\.tokens))
  }

  private func firstWindows(of choice: String, _ count: Int) -> [TokenWindows] {
    let sets = parts(choice)
    return sets.map { $0.calibration.first(max(1, count / sets.count)) }
  }

  private func saliencies(
    of scalar: BackwardPass.Scalar, on windows: TokenWindows, recorded: BackwardPass.Recorded?, name: String
  ) throws -> StoredSaliencies {
    let key = GradientKey(scalar: scalar, windows: windows)
    let made =
      try differentiated[key]
      ?? gradientStore.saliencies(
        of: scalar, network: model, fingerprint: fingerprint, windows: windows, recorded: recorded, subject: name,
        monitor: monitor)
    differentiated[key] = made
    charge(made.cost, of: "gradients \(key.hashValue)")
    return made
  }

  private func recordedWindows(_ set: CalibrationSet, _ count: Int) -> RecordedWindows {
    let name = "\(set.name), \(count)"
    if let known = recorded[name] { return known }
    let windows = set.calibration.first(count)
    let made = RecordedWindows(windows, ResidualRecord(tokens: windows.tokens.count))
    recorded[name] = made
    return made
  }
}

extension TokenWindows {
  /// The first windows, as many as there are.
  public func first(_ count: Int) -> TokenWindows { windows(0..<min(count, self.count)) }

  /// The share of the windows that are not among others, which are a part of them.
  public func fresh(beside others: TokenWindows) -> Double { 1 - Double(others.count) / Double(max(1, count)) }

  /// The first window of each of some sets, the second of each, and so on.
  public init(takingTurns sets: [TokenWindows]) {
    let turns = (0..<(sets.map(\.count).max() ?? 0)).flatMap { turn in
      sets.filter { turn < $0.count }.flatMap { $0[turn] }
    }
    self.init(length: sets.first?.length ?? 1, tokens: turns)
  }
}
