import Calibration
import Evaluation
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Subnets

/// What a method works with: the dense model, a budget, calibration text, and what is computed from them once.
public final class Workbench {
  /// The parts of a method's work that are timed.
  public enum Stage: String, CaseIterable, Sendable {
    /// Statistics, gradients and scores.
    case score
    /// Comparing candidates.
    case search
    case repair
  }

  private struct Gradients: Hashable {
    let scalar: BackwardPass.Scalar
    let windows: TokenWindows
  }

  public let model: LanguageModel
  /// Block parameters at most.
  public let budget: Int
  /// Windows that scores and repairs are computed on.
  public let calibration: TokenWindows
  /// Windows that candidates are compared on, disjoint from the calibration.
  public let heldOut: TokenWindows
  private let sharedDamping: SharedDamping
  public let seed: UInt64
  private let fingerprint: String
  private let statisticsStore: StatisticsStore
  private let gradientStore: GradientStore
  let monitor: Monitor
  private var seconds: [Stage: Double] = [:]
  /// Most memory that what is used here took when it was computed, in bytes; 0 where nothing is known.
  public private(set) var borrowedPeak = 0
  private var gathered: (any Statistics)?
  private var differentiated: [Gradients: StoredSaliencies] = [:]
  private var dense: DenseReference?

  /// - Parameters:
  ///   - fingerprint: of the model.
  ///   - budget: block parameters at most.
  ///   - cache: folder for statistics and gradients.
  ///   - dense: the dense model on the held-out windows, where it is known already.
  ///   - monitor: hears of progress.
  public init(
    model: LanguageModel, fingerprint: String, budget: Int, calibration: TokenWindows, heldOut: TokenWindows,
    damping: SharedDamping = SharedDamping(nil), seed: UInt64 = 0, cache: URL, dense: DenseReference? = nil,
    monitor: Monitor = .silent
  ) {
    self.model = model
    self.fingerprint = fingerprint
    self.budget = budget
    self.calibration = calibration
    self.heldOut = heldOut
    sharedDamping = damping
    self.seed = seed
    self.dense = dense
    self.monitor = monitor
    statisticsStore = StatisticsStore(folder: cache)
    gradientStore = GradientStore(folder: cache)
  }

  var configuration: ModelConfiguration { model.configuration }
  /// The budget as a share of the dense model's block parameters.
  var keep: Double { Double(budget) / Double(configuration.blockParameters) }

  // MARK: - Time

  /// Seconds spent so far in a stage.
  public func seconds(_ stage: Stage) -> Double { seconds[stage] ?? 0 }

  /// Runs `body` on a stage's clock. A stage within another counts for the inner one only; statistics and gradients are
  /// asked for before the clock starts, because they are charged on their own.
  func timed<Value>(_ stage: Stage, _ body: () throws -> Value) rethrows -> Value {
    let (start, inner) = (ContinuousClock.now, seconds.values.reduce(0, +))
    defer {
      let spent = (ContinuousClock.now - start) / .seconds(1)
      seconds[stage, default: 0] += spent - (seconds.values.reduce(0, +) - inner)
    }
    return try body()
  }

  // MARK: - Calibration

  /// Activation statistics of the calibration.
  public func statistics() throws -> any Statistics {
    if let gathered { return gathered }
    let statistics = try statisticsStore.statistics(
      name: "calibration", of: model, fingerprint: fingerprint, windows: calibration, monitor: monitor)
    charge(statistics.cost)
    gathered = statistics
    return statistics
  }

  /// Who uses what was computed earlier, and kept on disk, is charged for it as if it had been computed now.
  private func charge(_ cost: ComputationCost?) {
    seconds[.score, default: 0] += cost?.seconds ?? 0
    borrowedPeak = max(borrowedPeak, cost?.peakBytes ?? 0)
  }

  /// Activation statistics together with gradients on some windows.
  func statistics(
    gradients scalars: Set<BackwardPass.Scalar>, on windows: TokenWindows
  ) throws -> StatisticsWithGradients {
    var gradients: [BackwardPass.Scalar: StoredSaliencies] = [:]
    for scalar in scalars.sorted(by: { $0.rawValue < $1.rawValue }) {
      gradients[scalar] = try saliencies(of: scalar, on: windows)
    }
    return StatisticsWithGradients(try statistics(), gradients: gradients)
  }

  private func saliencies(of scalar: BackwardPass.Scalar, on windows: TokenWindows) throws -> StoredSaliencies {
    let key = Gradients(scalar: scalar, windows: windows)
    if let known = differentiated[key] { return known }
    let saliencies = try gradientStore.saliencies(
      of: scalar, network: model, fingerprint: fingerprint, windows: windows, monitor: monitor)
    charge(saliencies.cost)
    differentiated[key] = saliencies
    return saliencies
  }

  /// Activation statistics together with gradients on the first windows of the calibration.
  public func statistics(
    gradients scalars: Set<BackwardPass.Scalar>, samples: Int
  ) throws -> StatisticsWithGradients {
    try statistics(gradients: scalars, on: firstWindows(samples))
  }

  /// Gradients on the first windows of the calibration.
  public func gradients(of scalar: BackwardPass.Scalar, samples: Int) throws -> StoredSaliencies {
    try saliencies(of: scalar, on: firstWindows(samples))
  }

  /// The first windows of the calibration, for a backward pass.
  func firstWindows(_ count: Int) -> TokenWindows { calibration.windows(0..<min(count, calibration.count)) }

  /// `samples` stretches of the calibration text, drawn by the bench's seed and `number`; as many as there are.
  func subset(_ number: Int, samples: Int, length: Int) -> TokenWindows {
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

  /// Scores of all layers.
  func scores(_ score: some Importance, _ statistics: any Statistics) throws -> [UnitScores] {
    try timed(.score) {
      let slots = Slots<UnitScores>(count: configuration.layerCount)
      let most = model.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
      try Threads.forEach(configuration.layerCount, atMost: most) { [model] index, _ in
        slots[index] = try score.finiteScores(
          of: ScoredLayer(index, of: model, for: score, statistics: statistics))
      }
      return slots.all
    }
  }

  // MARK: - Damping

  /// λ of the least squares as a share of the Gram's mean diagonal: the one given, or the one that predicts the held-out
  /// windows best.
  public func damping() throws -> Double {
    try sharedDamping.value {
      let statistics = try statistics()
      return try timed(.score) { try DampingChoice(of: model, statistics: statistics, heldOut: heldOut).damping }
    }
  }

  /// The damping where it is known by now.
  public var knownDamping: Double? { sharedDamping.known }

  // MARK: - Judgement

  /// The dense model on the held-out windows.
  func reference() throws -> DenseReference {
    if let dense { return dense }
    let made = try DenseReference(model, windows: heldOut)
    dense = made
    return made
  }

  /// KL divergence from the dense model on the held-out windows, in nats per token.
  func divergence(of network: some Network) throws -> Double { try reference().compare(network).divergence }
}

/// A damping that is given, or chosen once by the first workbench that needs it.
public final class SharedDamping {
  /// The damping where it is known by now.
  public private(set) var known: Double?

  /// - Parameter damping: `nil` to choose it.
  public init(_ damping: Double?) { known = damping }

  fileprivate func value(_ choose: () throws -> Double) throws -> Double {
    if let known { return known }
    let chosen = try choose()
    known = chosen
    return chosen
  }
}

/// One value a layer, filled by different workers.
final class Slots<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var values: [Value?]

  init(count: Int) { values = Array(repeating: nil, count: count) }

  subscript(index: Int) -> Value? {
    get { lock.withLock { values[index] } }
    set { lock.withLock { values[index] = newValue } }
  }

  var all: [Value] { lock.withLock { values.compactMap { $0 } } }
}
