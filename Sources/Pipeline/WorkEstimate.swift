import Calibration
import Foundation
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime
import Synchronization

/// What a search or `solve` will take, by counting the products of matrices and the bytes, before any work starts.
public struct WorkEstimate: Sendable {
  /// What the estimate counts.
  public struct Work: Sendable {
    public var configuration: ModelConfiguration
    /// Tokens sampled from the model, and in which precision.
    public var sampledTokens: Int
    public var precision: Precision
    /// Tokens of each calibration set that statistics are gathered on.
    public var calibrationTokens: [Int]
    /// The backward passes, where gradients are needed.
    public var gradients: [(scalar: BackwardPass.Scalar, tokens: Int)]
    /// Whether the pass for the statistics leaves them what a forward pass would.
    public var recordsResiduals: Bool
    public var fitnessTokens: Int
    /// Choices of score and calibration whose error curves are wanted; of some of the layers, that share.
    public var curves: Double
    /// How many of them rank by elimination (`obs-loss`).
    public var eliminations: Double
    /// Whether the damping is chosen by held-out error.
    public var choosesDamping: Bool
    /// Sizes at which uniform subnets are judged.
    public var baselines: Int
    /// Candidates to be evaluated after them; 0 where there is no search.
    public var evaluations: Int

    public init(
      configuration: ModelConfiguration, sampledTokens: Int, precision: Precision, calibrationTokens: [Int],
      gradients: [(scalar: BackwardPass.Scalar, tokens: Int)], recordsResiduals: Bool = false, fitnessTokens: Int,
      curves: Double, eliminations: Double, choosesDamping: Bool, baselines: Int = 0, evaluations: Int = 0
    ) {
      self.configuration = configuration
      self.sampledTokens = sampledTokens
      self.precision = precision
      self.calibrationTokens = calibrationTokens
      self.gradients = gradients
      self.recordsResiduals = recordsResiduals
      self.fitnessTokens = fitnessTokens
      self.curves = curves
      self.eliminations = eliminations
      self.choosesDamping = choosesDamping
      self.baselines = baselines
      self.evaluations = evaluations
    }
  }

  /// Seconds by stage, in the order of the work.
  public let stages: [StageCost]
  /// Of a candidate that shares nothing with others, its weights to be solved.
  public let secondsPerEvaluation: Double
  /// Most resident memory, in bytes.
  public let memory: Int
  /// What statistics and gradients take on disk, in bytes.
  public let disk: Int

  private let plan: MemoryPlan

  /// - Parameters:
  ///   - speed: speed of this machine.
  ///   - plan: memory that the work will keep to.
  public init(_ work: Work, speed: MachineSpeed, memory plan: MemoryPlan) {
    self.plan = plan
    let configuration = work.configuration
    let hidden = Double(configuration.hiddenSize)
    var (grams, factors, eliminations) = (0.0, 0.0, 0.0)
    for shape in configuration.layers {
      let widths = [Double(shape.queryHeads * configuration.headDimension), Double(shape.mlpChannels)]
      grams += Double(LayerStatistics.gramElements(of: shape, in: configuration))
      for n in widths {
        // Factor, Lᵀ·Wᵀ, and the errors in a metric.
        factors += n * n * n / 3 + n * n * hidden + 2 * n * hidden * hidden
        // Inverse and its updates, all units removed.
        eliminations += n * n * n + 2 * n * n * (n + hidden)
      }
    }
    func forward(_ tokens: Int) -> Double { 2 * Double(configuration.blockParameters) * Double(tokens) }
    func head(_ tokens: Int) -> Double { 2 * Double(configuration.vocabularySize) * hidden * Double(tokens) }
    let (all, fitness) = (work.calibrationTokens.reduce(0, +), work.fitnessTokens)
    let (single, double) = (speed.single, speed.double)
    let moments = 2 * hidden * hidden * Double(configuration.layerCount)
    let slopes = work.gradients.reduce(0.0) { sum, pass in
      // Forward, each layer again, and its inputs' gradients; with those of the weights, or moments of the outputs'.
      let parts = GradientStore.parts(of: pass.scalar)
      let passes = 2 + (work.recordsResiduals ? 0.0 : 1) + (parts.contains(.weights) ? 1 : 0)
      return sum + passes * forward(pass.tokens) + 2 * head(pass.tokens)
        + (parts.contains(.outputMoments) ? moments * Double(pass.tokens) : 0)
    }
    let judging = (forward(fitness) + head(fitness)) / single
    // Of some four fifths of the width.
    let solves = configuration.layers.reduce(0.0) { sum, shape in
      [Double(shape.queryHeads * configuration.headDimension), Double(shape.mlpChannels)]
        .reduce(sum) { $0 + 0.64 * $1 * $1 * hidden }
    }
    // In bfloat16 products are about twice as fast, and the rest of a forward pass is not.
    let judgingCandidates = judging / (work.precision == .single ? 1 : 1.6)
    secondsPerEvaluation = judgingCandidates + solves / double
    // Memory brings weights, keys and values more slowly than products in single precision could use them.
    let sampling = (forward(work.sampledTokens) + head(work.sampledTokens)) * (work.precision == .single ? 1.5 : 1)
    stages = [
      StageCost(.sampling, seconds: sampling / single),
      StageCost(.statistics, seconds: (forward(all) + grams * Double(all)) / single),
      StageCost(.gradients, seconds: slopes / single),
      StageCost(
        .damping,
        // A few layers with every candidate.
        seconds: work.choosesDamping
          ? forward(fitness) / single + 30 * factors / Double(max(1, configuration.layerCount)) / double : 0),
      // The choice of the damping leaves it the forward pass.
      StageCost(
        .reference,
        seconds: (work.choosesDamping ? 2 * head(fitness) : 2 * head(fitness) + forward(fitness)) / single),
      StageCost(
        .curves,
        // Factors come near the speed of products, but orders and copies beside them take their time.
        seconds: (factors * work.curves + eliminations * work.eliminations) / double * 1.5),
      // Uniform subnets without and with repair, their factors made once: both roundings on a quarter of the windows, the better
      // one on the rest.
      StageCost(
        .baselines,
        seconds: work.baselines > 0
          ? 2.5 * Double(work.baselines) * judgingCandidates + (factors + Double(2 * work.baselines) * solves) / double
          : 0),
    ].filter { $0.seconds > 0 }
    let outer = configuration.outerParameters * MemoryLayout<Float>.size
    // The reference keeps the head packed for products.
    let packedHead = PackedWeight.byteCount(
      outputs: configuration.vocabularySize, inputs: configuration.hiddenSize, .single)
    let blocks = configuration.blockParameters * MemoryLayout<Float>.size
    let kept = blocks < plan.layers ? blocks : 0
    let together = min(Threads.count, plan.tasks(ofBytes: configuration.bytesPerLayerTask))
    // Layers ranked by every choice, with their factors, and what was solved for candidates, as far as there is room.
    let solutions = configuration.layers.reduce(0) { sum, shape in
      sum + configuration.hiddenSize * (shape.queryHeads * configuration.headDimension + shape.mlpChannels) * 4 / 5
    }
    // The baselines' choice is one more.
    let choices = max(1, work.curves) + (work.baselines > 0 ? 1 : 0)
    let ranked = min(
      plan.rankedLayers(besideTask: configuration.bytesPerLayerTask),
      Int(choices * Double(configuration.layerCount * configuration.bytesPerRankedLayer))
        + min(work.evaluations, 1 << 16) * solutions * MemoryLayout<Float>.size)
    // Of half a layer those of all candidates of a generation, as far as there is room (`GenerationEvaluator`).
    let part =
      configuration.layers.map {
        PackedLayer.byteCount(
          LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: $0.mlpChannels), in: configuration, work.precision)
      }
      .max() ?? 0
    let packedParts = min(work.evaluations, max(1, plan.candidates / max(1, part))) * part
    memory =
      outer + packedHead + kept
      + max(ranked + packedParts, (together - 1) * configuration.bytesPerLayerTask)
      + configuration.bytesPerLayerTask
    disk = Self.disk(
      configuration, sets: work.calibrationTokens.count,
      outputMoments: work.gradients.count { $0.scalar == .sampledLoss })
  }

  /// What statistics of some sets, and gradients that keep moments of outputs, take on disk, in bytes.
  static func disk(_ configuration: ModelConfiguration, sets: Int, outputMoments: Int) -> Int {
    let grams = configuration.layers.reduce(0) { $0 + LayerStatistics.gramElements(of: $1, in: configuration) }
    let moments = 2 * configuration.hiddenSize * configuration.hiddenSize * configuration.layerCount
    return (grams / 2 * sets + moments * outputMoments) * MemoryLayout<Float>.size
  }

  public var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }

  /// For people: `estimate: 5.1 GiB of memory (planned with: 8.0 GiB), …`.
  public func text(cache: URL) -> String {
    String(
      format:
        "estimate: %@ of memory (planned with: %@), %@ of disk in %@; at the speed of this machine's matrix products %@ "
        + "(%@), less what is in the cache already",
      amount(memory), amount(plan.limit), amount(disk), cache.relativePath, StageCost.clock(seconds),
      stages.map { "\($0.name) \(StageCost.clock($0.seconds))" }.joined(separator: ", "))
  }
}

/// Seconds of a stage of longer work.
public struct StageCost: Codable, Sendable, Equatable {
  public var stage: Monitor.Stage.Kind
  public var seconds: Double

  public init(_ stage: Monitor.Stage.Kind, seconds: Double) {
    self.stage = stage
    self.seconds = seconds
  }

  public var name: String { stage.rawValue }

  /// `4.2 s`, `3 min 05 s`.
  static func clock(_ seconds: Double) -> String {
    if seconds < 60 { return String(format: "%.1f s", seconds) }
    let whole = Int(min(seconds, 1e15))
    return String(format: "%d min %02d s", whole / 60, whole % 60)
  }
}

/// `5.1 GiB`, `310 MiB`.
func amount(_ bytes: Int) -> String {
  bytes < 1 << 30 ? "\(bytes >> 20) MiB" : String(format: "%.1f GiB", Double(bytes) / Double(1 << 30))
}

/// How fast this machine multiplies matrices, all workers together.
public struct MachineSpeed: Sendable {
  /// Operations a second in single and double precision.
  public let single: Double
  public let double: Double

  public init(single: Double, double: Double) {
    self.single = single
    self.double = double
  }

  /// Measures for about a fifth of a second.
  public static func measured() throws -> MachineSpeed {
    try MachineSpeed(single: rate(Float.self), double: rate(Double.self))
  }

  private static func rate<Scalar: BLASScalar>(_: Scalar.Type) throws -> Double {
    let order = 512
    let sets = (0..<Threads.count).map { _ in
      (0..<3).map { _ in Matrix<Scalar>(rows: order, columns: order) }
    }
    var best = Double.infinity
    let begin = ContinuousClock.now
    while best == .infinity || ContinuousClock.now - begin < .milliseconds(100) {
      let start = ContinuousClock.now
      try Threads.forEach(sets.count) { task, _ in multiply(sets[task][0], sets[task][1], into: sets[task][2]) }
      best = min(best, (ContinuousClock.now - start) / .seconds(1))
    }
    return Double(sets.count) * 2 * Double(order * order * order) / max(best, 1e-9)
  }
}

/// What work took, stage by stage, beside what was expected.
public struct WorkRecord: Codable, Sendable, Equatable {
  public private(set) var stages: [StageCost] = []
  public var expected: [StageCost]
  /// Most resident memory of the process, in bytes; `nil` where the system does not say.
  public var peak: Int?
  public var expectedMemory: Int
  private var began: Double?

  public init(_ estimate: WorkEstimate) {
    expected = estimate.stages
    expectedMemory = estimate.memory
  }

  /// Takes note of a step: the time since the last one belongs to the stage that went on.
  ///
  /// - Parameters:
  ///   - stage: stage of the step; `nil` ends the last one.
  ///   - seconds: seconds since any fixed moment.
  public mutating func enter(_ stage: Monitor.Stage.Kind?, at seconds: Double) {
    if let began, let last = stages.indices.last { stages[last].seconds += seconds - began }
    began = stage == nil ? nil : seconds
    guard let stage else { return }
    if stages.last?.stage != stage { stages.append(StageCost(stage, seconds: 0)) }
  }

  /// For people: `took: 5.3 GiB of memory at most (estimate 5.1 GiB), statistics 81.0 s (estimate 72.5 s), …`.
  public var text: String {
    var kinds: [Monitor.Stage.Kind] = []
    for cost in stages where !kinds.contains(cost.stage) { kinds.append(cost.stage) }
    let parts = kinds.map { kind in
      let seconds = stages.filter { $0.stage == kind }.reduce(0) { $0 + $1.seconds }
      let guess = expected.first { $0.stage == kind }
      return "\(kind.rawValue) \(StageCost.clock(seconds))"
        + (guess.map { " (estimate \(StageCost.clock($0.seconds)))" } ?? "")
    }
    let memory = peak.map { "\(amount($0)) of memory at most (estimate \(amount(expectedMemory))), " }
    return "took: " + (memory ?? "") + parts.joined(separator: ", ")
  }
}

/// Keeps a record of what goes on, by the clock.
final class WorkClock: Sendable {
  private let record: Mutex<WorkRecord>
  private let start = ContinuousClock.now

  let estimate: WorkEstimate

  init(_ estimate: WorkEstimate) {
    self.estimate = estimate
    record = Mutex(WorkRecord(estimate))
    ProcessMemory.restartPeak()
  }

  private func enter(_ stage: Monitor.Stage.Kind?) {
    record.withLock { $0.enter(stage, at: (ContinuousClock.now - start) / .seconds(1)) }
  }

  /// Listens to a monitor.
  func hear(_ event: any Monitor.Event) {
    if let progress = event as? Monitor.Progress { enter(progress.stage.kind) }
  }

  /// The record with what is over by now.
  var finished: WorkRecord {
    enter(nil)
    return record.withLock { record in
      record.peak = ProcessMemory.lifetimePeak
      return record
    }
  }
}
