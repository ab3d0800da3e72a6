/// Size and quality of one subnet (or of the dense model).
public struct PointMeasurement: Codable, Equatable, Sendable {
  /// Share of the dense model's block parameters that is left, 0…1.
  public var keepRatio: Double
  public var parametersTotal: Int
  public var parametersBlock: Int
  /// Mean Kullback–Leibler divergence from the dense model, nats a token.
  public var kl: Double
  /// Token perplexity on the fitness windows, where measured.
  public var perplexity: Double?
  /// Share of positions whose most likely token is the dense model's, 0…1, where measured.
  public var top1Agreement: Double?

  public init(
    keepRatio: Double, parametersTotal: Int, parametersBlock: Int, kl: Double, perplexity: Double? = nil,
    top1Agreement: Double? = nil
  ) {
    self.keepRatio = keepRatio
    self.parametersTotal = parametersTotal
    self.parametersBlock = parametersBlock
    self.kl = kl
    self.perplexity = perplexity
    self.top1Agreement = top1Agreement
  }
}

/// What is left of one decoder layer.
public struct LayerWidths: Codable, Equatable, Sendable {
  /// KV groups kept; 0 where the layer lost its attention.
  public var kvGroups: Int
  /// MLP channels kept; 0 where the layer lost its MLP.
  public var mlpChannels: Int

  public init(kvGroups: Int, mlpChannels: Int) {
    self.kvGroups = kvGroups
    self.mlpChannels = mlpChannels
  }
}

/// A reference subnet, for example the same width in every layer.
public struct Baseline: Codable, Equatable, Sendable {
  /// Short name, for example `uniform`.
  public var label: String
  public var measurement: PointMeasurement
  public var score: String
  public var calibration: String
  /// Widths by layer; empty where they are not known.
  public var widths: [LayerWidths]

  public init(
    label: String, measurement: PointMeasurement, score: String, calibration: String, widths: [LayerWidths] = []
  ) {
    self.label = label
    self.measurement = measurement
    self.score = score
    self.calibration = calibration
    self.widths = widths
  }
}

/// A subnet that no other evaluated subnet beats in every objective.
public struct FrontPoint: Codable, Equatable, Sendable {
  /// Point number as `--point` takes it: 0 is the largest subnet of the front.
  public var index: Int
  /// Number of the trial that measured it.
  public var trial: Int
  public var measurement: PointMeasurement
  /// Importance score that ranked the units.
  public var score: String
  /// Calibration set of that score.
  public var calibration: String
  /// Widths by layer, first layer first.
  public var widths: [LayerWidths]
  public var isBest: Bool
  public var isKnee: Bool

  public init(
    index: Int, trial: Int, measurement: PointMeasurement, score: String, calibration: String, widths: [LayerWidths],
    isBest: Bool = false, isKnee: Bool = false
  ) {
    self.index = index
    self.trial = trial
    self.measurement = measurement
    self.score = score
    self.calibration = calibration
    self.widths = widths
    self.isBest = isBest
    self.isKnee = isKnee
  }
}

/// One evaluation of the search.
public struct TrialSummary: Codable, Equatable, Sendable {
  public enum State: String, Codable, Sendable {
    case complete, failed, pruned, running
  }

  public var number: Int
  public var generation: Int?
  /// What proposed it, for example `uniform`, `error curve`, `crossover`.
  public var origin: String
  public var state: State
  public var keepRatio: Double
  public var parametersTotal: Int
  public var parametersBlock: Int
  /// Absent unless the evaluation got that far.
  public var kl: Double?
  public var perplexity: Double?
  public var score: String
  public var calibration: String
  /// Seconds of wall clock that the evaluation took.
  public var seconds: Double?

  public init(
    number: Int, generation: Int? = nil, origin: String, state: State, keepRatio: Double, parametersTotal: Int,
    parametersBlock: Int, kl: Double? = nil, perplexity: Double? = nil, score: String, calibration: String,
    seconds: Double? = nil
  ) {
    self.number = number
    self.generation = generation
    self.origin = origin
    self.state = state
    self.keepRatio = keepRatio
    self.parametersTotal = parametersTotal
    self.parametersBlock = parametersBlock
    self.kl = kl
    self.perplexity = perplexity
    self.score = score
    self.calibration = calibration
    self.seconds = seconds
  }
}

/// How far the search had come after some evaluations.
public struct ConvergencePoint: Codable, Equatable, Sendable {
  public var evaluations: Int
  /// Seconds of searching up to here.
  public var seconds: Double
  /// Best value so far of what `StudyReport.bestValueName` says; absent while no candidate qualifies.
  public var bestValue: Double?
  /// Hypervolume that the front dominates, in the units of the study; greater is better.
  public var hypervolume: Double?

  public init(evaluations: Int, seconds: Double, bestValue: Double?, hypervolume: Double?) {
    self.evaluations = evaluations
    self.seconds = seconds
    self.bestValue = bestValue
    self.hypervolume = hypervolume
  }
}
