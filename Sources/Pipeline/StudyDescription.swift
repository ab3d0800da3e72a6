import Foundation
import LanguageModels
import Reports
import Studies
import Subnets

/// What a study holds beside its trials: enough to report on it without the model.
public struct StudyDescription: Sendable {
  public static let configurationFile = "configuration.json"

  public var settings: SearchSettings
  public var model: ModelSummary
  public var dense: PointMeasurement
  public var baselines: [Baseline]
  public var calibration: String
  public var fitness: FitnessSummary
  /// Most block parameters allowed; `nil` without a target.
  public var targetParameters: Int?
  /// The range of shares that a search without target spans.
  public var keep: [Double]
  public var toolVersion: String

  init(
    settings: SearchSettings, model: ModelSummary, dense: PointMeasurement, baselines: [Baseline], calibration: String,
    fitness: FitnessSummary, targetParameters: Int?, keep: [Double], toolVersion: String
  ) {
    self.settings = settings
    self.model = model
    self.dense = dense
    self.baselines = baselines
    self.calibration = calibration
    self.fitness = fitness
    self.targetParameters = targetParameters
    self.keep = keep
    self.toolVersion = toolVersion
  }

  /// Reads what `attributes()` stored.
  public init(_ study: Study) throws {
    let stored = try study.attributes()
    func value<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
      guard let text = stored[key] else {
        throw PipelineError.damaged(path: study.file.path, problem: "the study has no attribute '\(key)'")
      }
      return try JSONText.decode(type, from: text, key: key)
    }
    settings = try value(SearchSettings.self, "settings")
    model = try value(ModelSummary.self, "model_summary")
    dense = try value(PointMeasurement.self, "dense")
    baselines = try value([Baseline].self, "baselines")
    calibration = try value(String.self, "calibration")
    fitness = try value(FitnessSummary.self, "fitness")
    targetParameters = try value(Int?.self, "target_parameters")
    keep = try value([Double].self, "keep_range")
    toolVersion = try value(String.self, "tool_version")
  }

  func attributes() throws -> [String: String] {
    [
      "settings": try JSONText.encode(settings), "model_summary": try JSONText.encode(model),
      "dense": try JSONText.encode(dense), "baselines": try JSONText.encode(baselines),
      "calibration": try JSONText.encode(calibration), "fitness": try JSONText.encode(fitness),
      "target_parameters": try JSONText.encode(targetParameters), "keep_range": try JSONText.encode(keep),
      "tool_version": try JSONText.encode(toolVersion),
    ]
  }

  /// The settings of the study in a folder.
  static func settings(_ directory: URL) throws -> SearchSettings {
    let url = directory.appendingPathComponent(configurationFile)
    do {
      return try JSONDecoder().decode(SearchSettings.self, from: Data(contentsOf: url))
    } catch {
      throw PipelineError.damaged(path: url.path, problem: "the study's settings cannot be read")
    }
  }

  /// The size at which "best" is taken: the target, or the middle of the spanned range.
  public var bestParameters: Int {
    targetParameters ?? Int((keep[0] + keep[1]) / 2 * Double(model.parametersBlock))
  }
}

/// What is stored with each trial beside its values.
struct TrialDescription: Sendable {
  var measurement: PointMeasurement
  var score: String
  var calibration: String
  var seconds: Double

  init(_ measurement: PointMeasurement, _ genes: BoundSpace.Genes, seconds: Double) {
    self.measurement = measurement
    score = genes.score
    calibration = genes.calibration
    self.seconds = seconds
  }

  /// - Returns: `nil` for a trial without a measurement.
  init?(_ trial: StoredTrial) throws {
    guard let text = trial.attributes["measurement"] else { return nil }
    measurement = try JSONText.decode(PointMeasurement.self, from: text, key: "measurement")
    score =
      try trial.attributes["score_name"].map { try JSONText.decode(String.self, from: $0, key: "score_name") } ?? ""
    calibration =
      try trial.attributes["calibration_name"].map {
        try JSONText.decode(String.self, from: $0, key: "calibration_name")
      } ?? ""
    seconds = try trial.attributes["seconds"].map { try JSONText.decode(Double.self, from: $0, key: "seconds") } ?? 0
  }

  func attributes() throws -> [String: String] {
    [
      "measurement": try JSONText.encode(measurement), "score_name": try JSONText.encode(score),
      "calibration_name": try JSONText.encode(calibration), "seconds": try JSONText.encode(seconds),
    ]
  }
}

extension ModelSummary {
  init(_ identity: ModelIdentity, _ configuration: ModelConfiguration) {
    let first = configuration.layers.first
    self.init(
      name: identity.name, fingerprint: identity.fingerprint, architecture: configuration.family.name,
      parametersTotal: configuration.totalParameters, parametersBlock: configuration.blockParameters,
      layers: configuration.layerCount, kvGroupsPerLayer: configuration.layers.map(\.kvHeads).max() ?? 0,
      queryHeadsPerGroup: first?.queriesPerGroup ?? 0,
      mlpChannels: configuration.layers.map(\.mlpChannels).max() ?? 0, headDimension: configuration.headDimension)
  }
}

extension Reports.LayerWidths {
  init(_ widths: Subnets.LayerWidths) { self.init(kvGroups: widths.groups, mlpChannels: widths.channels) }
}
