import Checkpoints
import Evaluation
import Foundation
import LanguageModels
import Subnets

/// `front.json`: the Pareto front and what is needed to judge it, for programs.
/// `docs/json.md` documents every key.
public enum FrontJSON {
  /// - Returns: UTF-8 JSON, keys sorted, ended by a newline; the same report always gives the same bytes.
  public static func data(_ report: StudyReport) -> Data {
    Data(document(report).document.utf8)
  }

  static func document(_ report: StudyReport) -> JSONValue {
    .object([
      "schema": .string("nas-search.report"), "version": .integer(report.version),
      "tool": .object(["name": .string("nas-search"), "version": .string(report.toolVersion)]),
      "study": study(report), "model": model(report.model),
      "fitness": .object([
        "source": .string(report.fitness.source), "windows": .integer(report.fitness.windows),
        "window_length": .integer(report.fitness.windowLength), "tokens": .integer(report.fitness.tokens),
      ]),
      "dense": .object(measured(report.dense, in: report)),
      "baselines": .array(report.baselines.map { .object(members($0, in: report)) }),
      "front": .array(report.front.map { .object(members($0, in: report)) }),
      "files": .array(report.files.map { FilesJSON.object($0, in: report) }),
      "speed_conditions": FilesJSON.conditions(report.speed),
      "failures": .array(
        report.trials.filter { $0.state == .failed }.map {
          .object(["trial": .integer($0.number), "reason": $0.failure.map(JSONValue.string) ?? .null])
        }),
      "importance": .array(
        report.importance.map { .object(["gene": .string($0.name), "share": .number($0.share)]) }),
    ])
  }

  private static func study(_ report: StudyReport) -> JSONValue {
    .object([
      "name": .string(report.name), "directory": .string(report.directory), "command": .string(report.command),
      "calibration": .string(report.calibration), "objectives": .array(report.objectives.map(objective)),
      "evaluations": .integer(report.evaluationsDone),
      "budget": .object([
        "evaluations": .optional(report.budget.evaluations), "seconds": .optional(report.budget.seconds),
      ]),
      "seconds": .number(report.searchSeconds), "started_at": date(report.startedAt),
      "finished_at": date(report.finishedAt),
    ])
  }

  private static func objective(_ objective: ObjectiveDescription) -> JSONValue {
    .object([
      "name": .string(objective.name), "unit": .string(objective.unit),
      "direction": .string(objective.direction.rawValue.lowercased()),
    ])
  }

  static func model(_ model: ModelSummary) -> JSONValue {
    .object([
      "name": .string(model.name), "fingerprint": .string(model.fingerprint),
      "architecture": .string(model.architecture), "total_parameters": .integer(model.parametersTotal),
      "block_parameters": .integer(model.parametersBlock), "layers": .integer(model.layers),
      "kv_groups": .integer(model.kvGroupsPerLayer),
      "query_heads_per_group": .integer(model.queryHeadsPerGroup), "mlp_channels": .integer(model.mlpChannels),
      "head_dimension": .integer(model.headDimension),
    ])
  }

  /// Every value stands under the name of its objective.
  static func measured(_ measurement: SubnetMeasurement, in report: StudyReport) -> [String: JSONValue] {
    let known = report.objectives + report.observed
    let values = known.map { ($0.name, JSONValue.optional(measurement.values[$0.name])) }
    let errors = known.filter(\.isSampled).map {
      ("\($0.name)_stderr", JSONValue.optional(measurement.standardErrors?[$0.name]))
    }
    return Dictionary(values + errors) { first, _ in first }.merging([
      "keep_ratio": .number(measurement.keepRatio), "total_parameters": .integer(measurement.parametersTotal),
      "block_parameters": .integer(measurement.parametersBlock),
      "ratio_to_dense": .optional(report.ratioToDense(measurement)),
    ]) { $1 }
  }

  private static func widths(_ widths: [LayerWidths]) -> JSONValue {
    .object([
      "kv_groups": .integers(widths.map(\.groups)), "mlp_channels": .integers(widths.map(\.channels)),
    ])
  }

  static func members(_ baseline: Baseline, in report: StudyReport) -> [String: JSONValue] {
    measured(baseline.measurement, in: report).merging([
      "label": .string(baseline.label), "score": .string(baseline.score),
      "calibration": .string(baseline.calibration), "widths": widths(baseline.widths),
    ]) { $1 }
  }

  static func members(_ point: FrontPoint, in report: StudyReport) -> [String: JSONValue] {
    measured(point.measurement, in: report).merging([
      "point": .integer(point.index), "trial": .integer(point.trial), "score": .string(point.score),
      "calibration": .string(point.calibration), "best": .bool(point.isBest), "knee": .bool(point.isKnee),
      "widths": widths(point.widths),
    ]) { $1 }
  }

  private static func date(_ date: Date?) -> JSONValue {
    guard let date else { return .null }
    return .string(ISO8601DateFormatter.string(from: date, timeZone: .gmt, formatOptions: .withInternetDateTime))
  }
}
