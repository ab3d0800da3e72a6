import Evaluation
import LanguageModels
import Reports
import Runtime
import Search
import Studies
import Workbench

/// What a study holds beside its trials: enough to report on it without the model.
public struct StudyDescription: Sendable {
  public static let configurationFile = "configuration.json"

  public var settings: SearchSettings
  public var model: ModelSummary
  public var dense: SubnetMeasurement
  public var baselines: [Baseline]
  /// λ of the least squares as a share of the Gram's mean diagonal: the one given, or the one that held-out tokens chose.
  public var damping: Double
  public var calibration: String
  public var fitness: FitnessSummary
  /// Most block parameters allowed; `nil` without a target.
  public var targetParameters: Int?
  /// The range of shares that a search without target spans.
  public var keep: [Double]
  public var toolVersion: String
  /// Who proposes candidates, where the settings leave it open.
  public var optimizer: ChosenOptimizer
  /// The budget of the latest run; `nil` before the first.
  public var budget: SearchBudget?
  /// What the preparation took.
  public var work: WorkRecord?
  public let objectives: ObjectiveList
  /// Most resident memory of a searching process, in bytes; `nil` where it is not known.
  public var peak: Int?
  /// Whether the latest run spent its budget, or exhausted the space.
  public var isComplete = false

  /// A study that begins.
  init(
    _ ground: SearchGround, _ search: CandidateSearch, _ calibration: CalibrationFile, baselines: [Baseline],
    toolVersion: String
  ) throws {
    settings = ground.settings
    objectives = try settings.objectiveList()
    let configuration = ground.model.configuration
    model = ModelSummary(name: ground.identity.name, fingerprint: ground.identity.fingerprint, configuration)
    (dense, self.baselines) = (search.evaluator.dense, baselines)
    damping = search.evaluator.repaired.damping
    self.calibration = calibration.summary
    let windows = calibration.fitness
    fitness = FitnessSummary(
      source: try settings.plan.sources().map(\.name).joined(separator: ", "), windows: windows.count,
      windowLength: windows.length, tokens: windows.count * (windows.length - 1))
    targetParameters = try settings.blockParameters(of: ground.model)
    keep = [ground.bound.space.keep.lowerBound, ground.bound.space.keep.upperBound]
    (self.toolVersion, optimizer) = (toolVersion, search.chosen)
  }

  /// Reads what `attributes()` stored.
  public init(_ study: Study) throws {
    let stored = try study.attributes()
    func value<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
      guard let text = stored[key] else {
        throw PipelineError.damaged(path: study.path(), problem: "the study has no attribute '\(key)'")
      }
      do {
        return try JSONText.decode(type, from: text, key: key)
      } catch {
        throw PipelineError.damaged(path: study.path(), problem: "the study's attribute '\(key)' cannot be read")
      }
    }
    settings = try value(SearchSettings.self, "settings")
    model = try value(ModelSummary.self, "model_summary")
    dense = try value(SubnetMeasurement.self, "dense")
    baselines = try value([Baseline].self, "baselines")
    damping = try value(Double.self, "damping")
    calibration = try value(String.self, "calibration")
    fitness = try value(FitnessSummary.self, "fitness")
    targetParameters = try value(Int?.self, "target_parameters")
    keep = try value([Double].self, "keep_range")
    toolVersion = try value(String.self, "tool_version")
    optimizer = try value(ChosenOptimizer.self, "optimizer")
    work = try value(WorkRecord?.self, "work")
    if stored["peak"] != nil { peak = try value(Int.self, "peak") }
    if stored["budget"] != nil { budget = try value(SearchBudget.self, "budget") }
    if stored["complete"] != nil { isComplete = try value(Bool.self, "complete") }
    do {
      objectives = try settings.objectiveList()
    } catch {
      throw PipelineError.damaged(path: study.path(), problem: "its settings: \(error)")
    }
    guard model.parametersBlock > 0 else {
      throw PipelineError.damaged(path: study.path(), problem: "the study's attributes are incomplete")
    }
    try StudyNumbers.check(self, of: study)
  }

  func attributes() throws -> [String: String] {
    [
      "settings": try JSONText.encode(settings), "model_summary": try JSONText.encode(model),
      "dense": try JSONText.encode(dense), "baselines": try JSONText.encode(baselines),
      "damping": try JSONText.encode(damping),
      "calibration": try JSONText.encode(calibration), "fitness": try JSONText.encode(fitness),
      "target_parameters": try JSONText.encode(targetParameters), "keep_range": try JSONText.encode(keep),
      "tool_version": try JSONText.encode(toolVersion), "optimizer": try JSONText.encode(optimizer),
      "work": try JSONText.encode(work),
    ]
  }

  /// What is stored when a run begins and when it ends.
  static func runAttributes(_ budget: SearchBudget, isComplete: Bool) throws -> [String: String] {
    ["budget": try JSONText.encode(budget), "complete": try JSONText.encode(isComplete)]
  }

  /// The process's peak of memory where it is higher than what is stored.
  static func peakAttribute(of study: Study) throws -> [String: String] {
    let earlier = try study.attribute("peak").map { try JSONText.decode(Int.self, from: $0, key: "peak") }
    let peak = ProcessMemory.lifetimePeak.map { max($0, earlier ?? 0) }
    return try peak.map { ["peak": try JSONText.encode($0)] } ?? [:]
  }

  /// Whether the latest run of a study spent its budget.
  static func isComplete(_ study: Study) throws -> Bool {
    guard let text = try study.attribute("complete") else { return false }
    return try JSONText.decode(Bool.self, from: text, key: "complete")
  }

  /// The size at which "best" is taken: the target, or the middle of the spanned range. A limit of time leaves no choice.
  public var bestParameters: Int {
    if settings.latencyShare != nil { return model.parametersBlock }
    return targetParameters ?? Int((keep[0] + keep[1]) / 2 * Double(model.parametersBlock))
  }
}

/// What is stored with each trial beside its values.
struct TrialDescription: Sendable {
  var measurement: SubnetMeasurement
  var score: String
  var calibration: String
  var seconds: Double
  /// What was measured in each window; `nil` in older studies.
  var windows: WindowRecord?
  /// What the error curves promised; `nil` where there are none.
  var predicted: Double?
  /// The sum of the curves, if they promise more than that; `nil` otherwise.
  var predictedSum: Double?

  /// What error curves say of a candidate, as `predicted` and `predictedSum`.
  typealias Promise = (error: Double?, sum: Double?)
}

extension TrialDescription {
  /// - Returns: `nil` for a trial without a measurement.
  /// - Throws: `PipelineError.damaged` that names the database, the trial and the attribute.
  init?(_ trial: StoredTrial, of study: Study) throws {
    func value<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value? {
      do {
        return try trial.attributes[key].map { try JSONText.decode(type, from: $0, key: key) }
      } catch {
        throw PipelineError.damaged(
          path: study.path(), problem: "trial \(trial.number): its attribute '\(key)' cannot be read")
      }
    }
    guard let measurement = try value(SubnetMeasurement.self, "measurement") else { return nil }
    try StudyNumbers.check(measurement, ofTrial: trial.number, of: study)
    self.measurement = measurement
    score = try value(String.self, "score_name") ?? ""
    calibration = try value(String.self, "calibration_name") ?? ""
    seconds = try value(Double.self, "seconds") ?? 0
    windows = try value(WindowRecord.self, "windows")
    predicted = try value(Double.self, "predicted")
    predictedSum = try value(Double.self, "predicted_sum")
  }

  func attributes() throws -> [String: String] {
    var attributes = [
      "measurement": try JSONText.encode(measurement), "score_name": try JSONText.encode(score),
      "calibration_name": try JSONText.encode(calibration), "seconds": try JSONText.encode(seconds),
    ]
    if let windows { attributes["windows"] = try JSONText.encode(windows) }
    return try attributes.merging(Self.predicted((predicted, predictedSum))) { $1 }
  }

  /// The attributes of what error curves promise.
  static func predicted(_ promise: Promise) throws -> [String: String] {
    try ["predicted": promise.error, "predicted_sum": promise.sum].compactMapValues { value in
      try value.map { try JSONText.encode($0) }
    }
  }
}
