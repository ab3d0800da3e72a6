import Calibration
import LanguageModels
import LinearAlgebra
import Reformation
import Runtime

/// What a search or `solve` will take, by counting the products of matrices and the bytes, before any work starts.
public struct WorkEstimate: Sendable {
  public struct Work: Sendable {
    public var configuration: ModelConfiguration
    /// Tokens sampled from the model.
    public var sampledTokens = 0
    /// Precision in which text is sampled and candidates are evaluated.
    public var precision = Precision.single
    /// Tokens of each calibration set that statistics are gathered on.
    public var calibrationTokens: [Int] = []
    /// The backward passes, if gradients are needed.
    public var gradients: [(scalar: BackwardPass.Scalar, tokens: Int)] = []
    /// True if the statistics pass also records the residuals, so that no extra forward pass is needed.
    public var recordsResiduals = false
    /// Tokens on which the correlation of errors is looked for, of all searches for it together; 0 for none.
    public var correlatedTokens = 0
    public var fitnessTokens = 0
    /// Tokens of the development items that a candidate is asked, and those of them whose likelihood counts.
    public var taskTokens = 0
    public var scoredTokens = 0
    /// Number of (score, calibration) pairs that need error curves. A pair with curves for a third of the layers counts as ⅓.
    public var curves = 0.0
    /// Number of those pairs that rank by elimination (`obs-loss`).
    public var eliminations = 0.0
    /// Subnets on which statistics are gathered again (`SearchPlan.rounds`, less one).
    public var subnets = 0
    /// Whether the damping is chosen by held-out error.
    public var choosesDamping = false
    /// Number of sizes at which uniform subnets are judged.
    public var baselines = 0
    /// Number of candidates to be evaluated after them; 0 if there is no search.
    public var evaluations = 0

    public init(_ configuration: ModelConfiguration) { self.configuration = configuration }
  }

  /// Seconds by stage, in the order of the work.
  public let stages: [StageCost]
  /// Seconds for a candidate that shares nothing with others, its weights to be solved.
  public let secondsPerEvaluation: Double
  /// Most resident memory, in bytes.
  public let memory: Int
  /// Bytes on disk for statistics and gradients.
  public let disk: Int
  public let plan: MemoryPlan

  public var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }

  /// - Parameters:
  ///   - speed: speed of this machine.
  ///   - plan: memory that the work will keep to.
  public init(_ work: Work, speed: MachineSpeed, memory plan: MemoryPlan) {
    let count = OperationCount(work)
    self.plan = plan
    secondsPerEvaluation = count.judging / speed.single + count.solves / speed.double
    stages = Self.stages(count, speed)
    memory = Self.memory(work, plan)
    disk = Self.disk(
      work.configuration, sets: work.calibrationTokens.count,
      outputMoments: work.gradients.count { $0.scalar == .sampledLoss }, subnets: work.subnets)
  }

  private static func stages(_ count: OperationCount, _ speed: MachineSpeed) -> [StageCost] {
    let (work, fitness) = (count.work, count.work.fitnessTokens)
    let (forward, head) = (count.forward(fitness), count.head(fitness))
    let layers = Double(max(1, work.configuration.layerCount))
    // The choice of the damping takes a few layers with every candidate, and leaves the forward pass to the reference.
    let damping = forward / speed.single + 30 * count.factors / layers / speed.double
    let reference = (2 * head + (work.choosesDamping ? 0 : forward)) / speed.single
    // The correlation comes first, so one choice is ranked and factorised for it.
    let first = work.correlatedTokens > 0 ? count.factors + count.eliminations * min(1, work.eliminations) : 0
    let correlation = count.correlation / speed.single + (1.5 * first + count.terms) / speed.double
    // Factors come near the speed of products, but orders and copies beside them take their time.
    let subnets = Double(work.subnets)
    let ranked = max(0, work.eliminations - (work.correlatedTokens > 0 ? 1 : 0)) + subnets
    let curves = 1.5 * (count.factors * (work.curves + subnets) + count.eliminations * ranked) / speed.double
    // Uniform subnets without and with repair, their factors made once: both roundings on a quarter of the windows, the better
    // one on the rest.
    let sizes = Double(work.baselines)
    let baselines =
      2.5 * sizes * count.judging / speed.single + (count.factors + 2 * sizes * count.solves) / speed.double
    return [
      StageCost(stage: .sampling, seconds: count.sampling / speed.single),
      // On a subnet the dense network, the subnet, and all units on its stream run; the repair before runs both twice, and
      // the MLPs a dozen times to fit their gates.
      StageCost(stage: .statistics, seconds: (1 + 3 * subnets) * count.statistics / speed.single),
      StageCost(stage: .repair, seconds: subnets * 13 * count.statistics / speed.single),
      StageCost(stage: .gradients, seconds: (1 + subnets) * count.gradients / speed.single),
      StageCost(stage: .damping, seconds: work.choosesDamping ? damping : 0),
      StageCost(stage: .reference, seconds: reference),
      StageCost(stage: .tasks, seconds: count.answering / speed.single),
      StageCost(stage: .correlation, seconds: correlation),
      StageCost(stage: .curves, seconds: curves),
      StageCost(stage: .baselines, seconds: work.baselines > 0 ? baselines : 0),
    ].filter { $0.seconds > 0 }
  }

  private static func memory(_ work: Work, _ plan: MemoryPlan) -> Int {
    let (configuration, float) = (work.configuration, MemoryLayout<Float>.size)
    let outer = configuration.outerParameters * float
    // The reference keeps the head packed for products.
    let packedHead = PackedWeight.byteCount(
      outputs: configuration.vocabularySize, inputs: configuration.hiddenSize, .single)
    let blocks = configuration.blockParameters * float
    let kept = blocks < plan.layers ? blocks : 0
    let task = configuration.bytesPerLayerTask
    let together = min(Threads.count, plan.tasks(ofBytes: task))
    // Layers ranked by every choice, with their factors, and what was solved for candidates, as far as there is room.
    let solutions = configuration.layers.reduce(0) { sum, shape in
      sum + configuration.hiddenSize * configuration.solvedInputs(of: shape).reduce(0, +) * 4 / 5
    }
    // The baselines' choice is one more.
    let choices = max(1, work.curves) + (work.baselines > 0 ? 1 : 0)
    let ranked = min(
      plan.rankedLayers(besideTask: task),
      Int(choices * Double(configuration.layerCount * configuration.bytesPerRankedLayer))
        + min(work.evaluations, 1 << 16) * solutions * float)
    // Halves of layers of all candidates of a generation, as far as there is room (`GenerationEvaluator`).
    let parts = configuration.layers.map {
      PackedLayer.byteCount(
        LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: $0.mlpChannels), in: configuration, work.precision)
    }
    let part = parts.max() ?? 0
    let packedParts = min(work.evaluations, max(1, plan.candidates / max(1, part))) * part
    // Streams, gradients and the inputs of a module.
    let widest = configuration.layers.flatMap { configuration.solvedInputs(of: $0) }.max() ?? 0
    let correlated = work.correlatedTokens * (4 * configuration.hiddenSize + widest) * float
    return outer + packedHead + kept + max(ranked + packedParts, (together - 1) * task, correlated) + task
  }

  /// Bytes on disk for the statistics of some sets, and for gradients that keep moments of outputs.
  static func disk(_ configuration: ModelConfiguration, sets: Int, outputMoments: Int, subnets: Int = 0) -> Int {
    let grams = configuration.layers.reduce(0) { $0 + LayerStatistics.gramElements(of: $1, in: configuration) }
    let moments = 2 * configuration.hiddenSize * configuration.hiddenSize * configuration.layerCount
    let lacking = configuration.layers.reduce(0) { sum, shape in
      sum + configuration.hiddenSize * configuration.solvedInputs(of: shape).reduce(0, +)
    }
    return ((1 + subnets) * (grams / 2 * sets + moments * outputMoments) + subnets * sets * lacking)
      * MemoryLayout<Float>.size
  }
}

/// Operations of the parts of some work.
private struct OperationCount {
  let work: WorkEstimate.Work
  /// Factors of all layers and what is made of them once.
  private(set) var factors = 0.0
  private(set) var eliminations = 0.0
  /// Solving all weights of a candidate that keeps about four fifths of the widths.
  private(set) var solves = 0.0
  /// Gram matrices of a token.
  private var grams = 0.0
  private let hidden: Double

  init(_ work: WorkEstimate.Work) {
    let configuration = work.configuration
    self.work = work
    hidden = Double(configuration.hiddenSize)
    for shape in configuration.layers {
      grams += Double(LayerStatistics.gramElements(of: shape, in: configuration))
      for width in configuration.solvedInputs(of: shape) {
        let n = Double(width)
        // Factor, Lᵀ·Wᵀ, and the errors in a metric.
        factors += n * n * n / 3 + n * n * hidden + 2 * n * hidden * hidden
        // Inverse and its updates, all units removed.
        eliminations += n * n * n + 2 * n * n * (n + hidden)
        solves += 0.64 * n * n * hidden
      }
    }
  }

  func forward(_ tokens: Int) -> Double { 2 * Double(work.configuration.usedParameters) * Double(tokens) }
  func head(_ tokens: Int) -> Double { 2 * Double(work.configuration.vocabularySize) * hidden * Double(tokens) }

  /// Judging a candidate. In bfloat16 products are about twice as fast, and the rest of a forward pass is not.
  var judging: Double {
    (forward(work.fitnessTokens) + head(work.fitnessTokens) + answering) / (work.precision == .single ? 1 : 1.6)
  }

  /// Reading the development items of tasks.
  var answering: Double { forward(work.taskTokens) + head(work.scoredTokens) }

  /// Memory brings weights, keys and values more slowly than products in single precision could use them.
  var sampling: Double {
    (forward(work.sampledTokens) + head(work.sampledTokens)) * (work.precision == .single ? 1.5 : 1)
  }

  var statistics: Double {
    let tokens = work.calibrationTokens.reduce(0, +)
    return forward(tokens) + grams * Double(tokens)
  }

  /// A backward pass without gradients of weights, and what modules read.
  var correlation: Double {
    work.correlatedTokens == 0 ? 0 : 4 * forward(work.correlatedTokens) + 2 * head(work.correlatedTokens)
  }

  /// `L⁻¹·x` and `B·g` of all tokens.
  var terms: Double {
    let products = work.configuration.layers.reduce(0.0) { sum, shape in
      work.configuration.solvedInputs(of: shape).reduce(sum) { $0 + Double($1 * $1) + 2 * Double($1) * hidden }
    }
    return products * Double(work.correlatedTokens)
  }

  var gradients: Double {
    let moments = 2 * hidden * hidden * Double(work.configuration.layerCount)
    return work.gradients.reduce(0) { sum, pass in
      // Forward, each layer again, and its inputs' gradients; with those of the weights, or moments of the outputs'.
      let parts = GradientStore.parts(of: pass.scalar)
      let passes = 2 + (work.recordsResiduals ? 0.0 : 1) + (parts.contains(.weights) ? 1 : 0)
      return sum + passes * forward(pass.tokens) + 2 * head(pass.tokens)
        + (parts.contains(.outputMoments) ? moments * Double(pass.tokens) : 0)
    }
  }
}

extension ModelConfiguration {
  /// The inputs of the projections of a layer that least squares correct; experts are not corrected beforehand.
  fileprivate func solvedInputs(of shape: LayerShape) -> [Int] {
    [shape.queryHeads * headDimension] + (block.experts == nil ? [shape.mlpChannels] : [])
  }

  /// The block parameters that a token uses: of the experts, its own.
  fileprivate var usedParameters: Int {
    guard let experts = block.experts else { return blockParameters }
    return with(
      layers: layers.map { shape in
        var used = shape
        used.mlpChannels = min(shape.mlpChannels, experts.perToken)
        return used
      }
    ).blockParameters
  }
}

/// How fast this machine multiplies matrices, all workers together.
public struct MachineSpeed: Sendable {
  /// Operations a second in single and double precision.
  public let single: Double
  public let double: Double

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
