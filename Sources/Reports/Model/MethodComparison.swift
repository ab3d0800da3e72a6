import LanguageModels
import Tasks

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
  public var texts: [EvaluationText] = []
  /// Metrics of tasks that were measured, in the order of `Cell.scores`; `nil` if none were.
  public var tasks: [EvaluationTask]?
  /// Computations that several methods share.
  public var stages: [Stage] = []
  /// In order of the table. The dense model is none of them: it stands in `texts`.
  public var methods: [Method]
  public var cells: [Cell] = []

  public init(
    _ model: ModelSummary, methods: [Method], calibration: String, command: String, toolVersion: String
  ) {
    (self.model, self.methods, self.calibration) = (model, methods, calibration)
    (self.command, self.toolVersion) = (command, toolVersion)
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
    /// Token perplexity of the dense model on the same windows.
    public var densePerplexity: Double

    /// Predicted positions in all windows together: the first token of each is not predicted.
    var tokens: Int { windows * (windowLength - 1) }

    public init(name: String, windows: Int, windowLength: Int, densePerplexity: Double) {
      (self.name, self.windows, self.windowLength) = (name, windows, windowLength)
      self.densePerplexity = densePerplexity
    }
  }

  /// A metric of a task that every cell was asked.
  public struct EvaluationTask: Codable, Sendable, Equatable {
    public var task: String
    /// Its name, such as `acc_norm`.
    public var metric: String
    public var items: Int
    /// Whether values are shares of items, 0…1.
    public var isShare: Bool
    public var isHigherBetter: Bool
    /// Whether it is the one that stands for the task.
    public var isPrimary: Bool
    public var dense: Double
    public var denseError: Double?

    /// The name of its columns.
    var name: String { "\(task)_\(metric)" }

    public init(_ kind: TaskKind, _ score: TaskScore, items: Int) {
      (task, metric, self.items) = (kind.name, score.metric.rawValue, items)
      (isShare, isHigherBetter) = (score.metric.isShare, score.metric.isHigherBetter)
      (isPrimary, dense, denseError) = (score.metric == kind.primary, score.value, score.standardError)
    }
  }

  /// What a method reached in a metric of a task.
  public struct TaskValue: Codable, Sendable, Equatable {
    public var value: Double
    public var standardError: Double?
    /// To the dense model, and its standard error from the differences item by item.
    public var difference: Double?
    public var differenceError: Double?

    public init(_ score: TaskScore) {
      (value, standardError) = (score.value, score.standardError)
      (difference, differenceError) = (score.difference, score.differenceError)
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
      (self.name, self.seconds, self.peakBytes) = (name, seconds, peakBytes)
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
      (self.name, self.summary, self.source) = (name, summary, source)
      (self.usesGradients, self.settings) = (usesGradients, settings)
    }
  }

  /// One method at one size.
  public struct Cell: Codable, Sendable, Equatable {
    /// Name of the method.
    public var method: String
    /// Share of the dense model's block parameters that was asked for, 0…1. Cells of equal target share a column.
    public var keepTarget: Double
    /// Share that is left, 0…1.
    public var keepRatio = 0.0
    public var parametersBlock = 0
    public var parametersTotal = 0
    /// Mean Kullback–Leibler divergence from the dense model on the held-out fitness windows, nats a token.
    public var kl: Double?
    /// One for each text, in the order of `MethodComparison.texts`; empty where the cell failed.
    public var perplexities: [Double] = []
    /// One for each of `MethodComparison.tasks`; `nil` where none was asked, or the cell failed.
    public var scores: [TaskValue]?
    /// How the remaining weights were corrected, in words, for example `none` or `least squares`.
    public var repair = ""
    /// Seconds of wall clock for scores, with what they need of the stages that methods share, as if it were alone.
    public var scoreSeconds = 0.0
    /// Seconds of wall clock for repairing the weights.
    public var repairSeconds = 0.0
    /// Seconds of wall clock for choosing widths.
    public var searchSeconds = 0.0
    /// Largest resident memory of the process meanwhile, in bytes, where known.
    public var peakBytes: Int?
    /// Why there is no result, in words; absent where there is one.
    public var failure: String?

    public init(method: String, keepTarget: Double) { (self.method, self.keepTarget) = (method, keepTarget) }
  }
}
