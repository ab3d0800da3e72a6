import LanguageModels

/// Published pruning methods measured side by side on one model, at several sizes and on several texts.
///
/// A plain value, as `StudyReport` is: whoever ran the methods fills it in, and two equal values give byte-identical
/// files. A cell is one method at one size; a method that was not run at a size simply has no cell there.
///
/// Perplexities may be infinite or NaN where a method destroyed the model. `JSONEncoder` refuses such numbers unless it
/// is given a `nonConformingFloatEncodingStrategy`.
public struct MethodComparison: Codable, Sendable, Equatable {
  /// Version of the program that measured.
  public var toolVersion: String
  /// Command line that makes the comparison, and resumes one that was interrupted.
  public var command: String
  /// The dense model.
  public var model: ModelSummary
  /// What the methods were calibrated on, in words.
  public var calibration: String
  /// Texts on which perplexity was measured, in the order of `Cell.perplexities`.
  public var texts: [EvaluationText]
  /// Computations that several methods share.
  public var stages: [Stage]
  /// In order of the table. The dense model is none of them: it stands in `texts`.
  public var methods: [Method]
  public var cells: [Cell]

  public init(
    toolVersion: String, command: String, model: ModelSummary, calibration: String, texts: [EvaluationText],
    stages: [Stage], methods: [Method], cells: [Cell]
  ) {
    self.toolVersion = toolVersion
    self.command = command
    self.model = model
    self.calibration = calibration
    self.texts = texts
    self.stages = stages
    self.methods = methods
    self.cells = cells
  }
}

extension MethodComparison {
  /// A text that every cell was measured on.
  public struct EvaluationText: Codable, Sendable, Equatable {
    /// Display name, for example the file's name.
    public var name: String
    public var windows: Int
    /// Tokens in a window.
    public var windowLength: Int
    /// Predicted positions in all windows together.
    public var tokens: Int
    /// Token perplexity of the dense model on the same windows.
    public var densePerplexity: Double

    public init(name: String, windows: Int, windowLength: Int, tokens: Int, densePerplexity: Double) {
      self.name = name
      self.windows = windows
      self.windowLength = windowLength
      self.tokens = tokens
      self.densePerplexity = densePerplexity
    }
  }

  /// A computation that was done once for all methods that need it.
  public struct Stage: Codable, Sendable, Equatable {
    /// For example `statistics` or `gradients of the loss`.
    public var name: String
    /// Seconds of wall clock.
    public var seconds: Double
    /// Largest resident memory of the process meanwhile, in bytes, where known.
    public var peakBytes: Int?

    public init(name: String, seconds: Double, peakBytes: Int? = nil) {
      self.name = name
      self.seconds = seconds
      self.peakBytes = peakBytes
    }
  }

  /// A pruning method: a score, a way to share the budget among layers, and a repair.
  public struct Method: Codable, Sendable, Equatable {
    /// Unique short name, for example `wanda-sp`.
    public var name: String
    /// What it does, in a sentence.
    public var summary: String
    /// Where it was published, in words.
    public var source: String
    /// Whether it needs a backward pass.
    public var usesGradients: Bool
    /// Effective settings, both sides as a person would read them.
    public var settings: [String: String]

    public init(
      name: String, summary: String, source: String, usesGradients: Bool, settings: [String: String] = [:]
    ) {
      self.name = name
      self.summary = summary
      self.source = source
      self.usesGradients = usesGradients
      self.settings = settings
    }
  }

  /// One method at one size.
  public struct Cell: Codable, Sendable, Equatable {
    /// Name of the method.
    public var method: String
    /// Share of the dense model's block parameters that was asked for, 0…1. Cells of equal target share a column.
    public var keepTarget: Double
    /// Share that is left, 0…1.
    public var keepRatio: Double
    public var parametersBlock: Int
    public var parametersTotal: Int
    /// Mean Kullback–Leibler divergence from the dense model on the held-out fitness windows, nats a token.
    public var kl: Double?
    /// One for each text, in the order of `MethodComparison.texts`; empty where the cell failed.
    public var perplexities: [Double]
    /// How the remaining weights were corrected, in words, for example `none` or `least squares`.
    public var repair: String
    /// Seconds of wall clock for scores, with what they need of the stages that methods share, as if it were alone.
    public var scoreSeconds: Double
    /// Seconds of wall clock for repairing the weights.
    public var repairSeconds: Double
    /// Seconds of wall clock for choosing widths.
    public var searchSeconds: Double
    /// Largest resident memory of the process meanwhile, in bytes, where known.
    public var peakBytes: Int?
    /// Why there is no result, in words; absent where there is one.
    public var failure: String?

    public init(
      method: String, keepTarget: Double, keepRatio: Double, parametersBlock: Int, parametersTotal: Int,
      kl: Double? = nil, perplexities: [Double], repair: String, scoreSeconds: Double, repairSeconds: Double,
      searchSeconds: Double, peakBytes: Int? = nil, failure: String? = nil
    ) {
      self.method = method
      self.keepTarget = keepTarget
      self.keepRatio = keepRatio
      self.parametersBlock = parametersBlock
      self.parametersTotal = parametersTotal
      self.kl = kl
      self.perplexities = perplexities
      self.repair = repair
      self.scoreSeconds = scoreSeconds
      self.repairSeconds = repairSeconds
      self.searchSeconds = searchSeconds
      self.peakBytes = peakBytes
      self.failure = failure
    }
  }
}
