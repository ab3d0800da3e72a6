import Calibration
import Evaluation
import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Synchronization

/// The dense model with calibration text, and what is computed from the two: each thing once, when it is first asked for.
///
/// Everything that makes subnets walks the same chain: statistics, scores, damping, subnets (`CandidateEvaluator`), comparison
/// with the dense model, final repair (`RepairDecision`).
public final class Workbench {
  /// The parts of a method's work that are timed.
  public enum Stage: String, CaseIterable, Sendable {
    /// Statistics, gradients and scores.
    case score
    /// Comparing candidates.
    case search
    case repair
  }

  public let model: LanguageModel
  /// What subnets are compared with, and repaired toward: the model itself, or the one whose heads were made narrower.
  public internal(set) var dense: LanguageModel
  public let fingerprint: String
  /// Calibration sets with names of their own.
  public let sets: [CalibrationSet]
  /// Windows that candidates are compared on, disjoint from the calibration.
  public let heldOut: TokenWindows
  public let seed: UInt64
  public let monitor: Monitor
  /// Folder for statistics and gradients.
  let cache: URL
  let statisticsStore: StatisticsStore
  let gradientStore: GradientStore
  /// Computed so far.
  var gathered: [String: any Statistics] = [:]
  var recorded: [String: RecordedWindows] = [:]
  var differentiated: [GradientKey: StoredSaliencies] = [:]
  var knownNorms: [JointNorms]?
  private var references: [Precision: DenseReference] = [:]
  private var knownTrainingReference: DenseReference?
  /// The dense model's residual stream behind its last layer on the held-out windows, until a reference takes it.
  private var residual: Matrix<Float>?
  private var account = Account()
  /// λ of the least squares as a share of the Gram's mean diagonal, if it is known by now.
  public private(set) var knownDamping: Double?
  /// The one that was given, if one was.
  let givenDamping: Double?

  /// - Parameters:
  ///   - fingerprint: of the model.
  ///   - sets: one at least, with windows of one length.
  ///   - damping: λ of the least squares as a share of the Gram's mean diagonal; `nil` lets the held-out windows choose.
  ///   - seed: of what methods draw.
  ///   - cache: folder for statistics and gradients.
  public init(
    model: LanguageModel, fingerprint: String, sets: [CalibrationSet], heldOut: TokenWindows, damping: Double? = nil,
    seed: UInt64 = 0, cache: URL, monitor: Monitor = .silent
  ) {
    self.model = model
    dense = model
    self.fingerprint = fingerprint
    self.sets = sets
    self.heldOut = heldOut
    knownDamping = damping
    givenDamping = damping
    self.seed = seed
    self.monitor = monitor
    self.cache = cache
    statisticsStore = StatisticsStore(folder: cache)
    gradientStore = GradientStore(folder: cache)
  }

  public var configuration: ModelConfiguration { model.configuration }

  // MARK: - Time

  /// What one piece of work, such as a method at one size, took.
  private struct Account {
    var seconds: [Stage: Double] = [:]
    var borrowedPeak = 0
    var charged: Set<String> = []
  }

  /// Starts counting anew: what is computed already is charged again to the work that uses it.
  public func openAccount() { account = Account() }

  /// Seconds spent in stages since the account was opened.
  public var seconds: [Stage: Double] { account.seconds }

  /// Most memory, in bytes, that what is used here took when it was computed; 0 if nothing is known.
  public var borrowedPeak: Int { account.borrowedPeak }

  /// Runs `body` on a stage's clock. A stage within another counts for the inner one only; statistics and gradients are
  /// asked for before the clock starts, because they are charged on their own.
  public func timed<Value>(_ stage: Stage, _ body: () throws -> Value) rethrows -> Value {
    let (start, inner) = (ContinuousClock.now, account.seconds.values.reduce(0, +))
    defer {
      let spent = (ContinuousClock.now - start) / .seconds(1)
      account.seconds[stage, default: 0] += spent - (account.seconds.values.reduce(0, +) - inner)
    }
    return try body()
  }

  /// Work that uses what was computed earlier, and kept in memory or on disk, is charged for it as if it had computed it.
  func charge(_ cost: ComputationCost?, of name: String) {
    guard account.charged.insert(name).inserted else { return }
    account.seconds[.score, default: 0] += cost?.seconds ?? 0
    account.borrowedPeak = max(account.borrowedPeak, cost?.peakBytes ?? 0)
  }

  // MARK: - Scores and damping

  public func scores(_ score: some Importance, _ statistics: any Statistics) throws -> [UnitScores] {
    try timed(.score) {
      let scores = Mutex([UnitScores?](repeating: nil, count: configuration.layerCount))
      let most = model.memory.tasks(ofBytes: configuration.bytesPerLayerTask)
      try Threads.forEach(configuration.layerCount, atMost: most) { [model] index, _ in
        let found = try score.finiteScores(
          of: ScoredLayer(index, of: model, for: score, statistics: statistics))
        scores.withLock { $0[index] = found }
      }
      return scores.withLock { $0.compactMap { $0 } }
    }
  }

  /// λ of the least squares as a share of the Gram's mean diagonal: the one given, or the one that predicts the held-out
  /// windows best.
  ///
  /// - Parameter statistics: those whose λ is chosen; `nil` for those of all calibration text.
  public func damping(of statistics: (any Statistics)? = nil) throws -> Double {
    if let knownDamping { return knownDamping }
    let statistics = try statistics ?? self.statistics()
    try monitor.advance(.init(.damping), 0, of: 1)
    let choice = try timed(.score) { try DampingChoice(of: model, statistics: statistics, heldOut: heldOut) }
    knownDamping = choice.damping
    if references.isEmpty, dense === model { residual = choice.residual }
    return choice.damping
  }

  // MARK: - Judgement

  /// The dense model on the held-out windows, for networks that run in a precision.
  ///
  /// - Parameter count: how many of the windows; `nil` for all. A reference on fewer is not kept.
  public func reference(_ precision: Precision = .single, windows count: Int? = nil) throws -> DenseReference {
    if let count, count < heldOut.count {
      return try DenseReference(dense, windows: heldOut.windows(0..<count), precision: precision)
    }
    if let known = references[precision] { return known }
    try monitor.advance(.init(.reference), 0, of: 1)
    let made = try DenseReference(dense, windows: heldOut, residual: residual, precision: precision)
    residual = nil
    references[precision] = made
    return made
  }

  /// The dense model on all windows of a descent.
  public func trainingReference() throws -> DenseReference {
    if let knownTrainingReference { return knownTrainingReference }
    try monitor.advance(.init(.reference), 0, of: 1)
    let made = try DenseReference(dense, windows: training)
    knownTrainingReference = made
    return made
  }

  /// KL divergence from the dense model on the held-out windows, in nats per token.
  public func divergence(of network: some Network) throws -> Double { try reference().compare(network).divergence }
}
