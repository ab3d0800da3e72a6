import Foundation

/// `front.json`: the Pareto front and what is needed to judge it, for programs.
/// The module's README documents every key.
public enum FrontJSON {
  /// - Returns: UTF-8 JSON, keys sorted, ended by a newline; the same report always gives the same bytes.
  public static func data(_ report: StudyReport) -> Data {
    Data(document(report).pretty.utf8)
  }

  static func document(_ report: StudyReport) -> JSONValue {
    .object([
      "schemaVersion": .integer(report.schemaVersion),
      "tool": .object(["name": .string("nas-search"), "version": .string(report.toolVersion)]),
      "study": study(report),
      "model": model(report.model),
      "fitness": .object([
        "source": .string(report.fitness.source),
        "windows": .integer(report.fitness.windows),
        "windowLength": .integer(report.fitness.windowLength),
        "tokens": .integer(report.fitness.tokens),
      ]),
      "dense": .object(measured(report.dense, in: report)),
      "baselines": .array(report.baselines.map { baseline($0, in: report) }),
      "front": .array(report.front.map { point($0, in: report) }),
      "importance": .array(
        report.importance.map { .object(["gene": .string($0.name), "share": .number($0.share)]) }),
    ])
  }

  private static func study(_ report: StudyReport) -> JSONValue {
    .object([
      "name": .string(report.name),
      "directory": .string(report.directory),
      "command": .string(report.command),
      "calibration": .string(report.calibration),
      "objectives": .strings(report.objectives),
      "evaluations": .integer(report.evaluationsDone),
      "budget": .object([
        "evaluations": .optional(report.budget.evaluations),
        "seconds": .optional(report.budget.seconds),
      ]),
      "seconds": .number(report.searchSeconds),
      "startedAt": date(report.startedAt),
      "finishedAt": date(report.finishedAt),
    ])
  }

  static func model(_ model: ModelSummary) -> JSONValue {
    .object([
      "name": .string(model.name),
      "fingerprint": .string(model.fingerprint),
      "architecture": .string(model.architecture),
      "parameters": .integer(model.parametersTotal),
      "parametersBlock": .integer(model.parametersBlock),
      "layers": .integer(model.layers),
      "kvGroups": .integer(model.kvGroupsPerLayer),
      "queryHeadsPerGroup": .integer(model.queryHeadsPerGroup),
      "mlpChannels": .integer(model.mlpChannels),
      "headDimension": .integer(model.headDimension),
    ])
  }

  private static func measured(_ measurement: PointMeasurement, in report: StudyReport) -> [String: JSONValue] {
    [
      "keepRatio": .number(measurement.keepRatio),
      "parameters": .integer(measurement.parametersTotal),
      "parametersBlock": .integer(measurement.parametersBlock),
      "kl": .number(measurement.kl),
      "perplexity": .optional(measurement.perplexity),
      "ratioToDense": .optional(report.ratioToDense(measurement)),
      "top1Agreement": .optional(measurement.top1Agreement),
    ]
  }

  private static func widths(_ widths: [LayerWidths]) -> JSONValue {
    .object([
      "kvGroups": .integers(widths.map(\.kvGroups)),
      "mlpChannels": .integers(widths.map(\.mlpChannels)),
    ])
  }

  private static func baseline(_ baseline: Baseline, in report: StudyReport) -> JSONValue {
    var members = measured(baseline.measurement, in: report)
    members["label"] = .string(baseline.label)
    members["score"] = .string(baseline.score)
    members["calibration"] = .string(baseline.calibration)
    members["widths"] = widths(baseline.widths)
    return .object(members)
  }

  private static func point(_ point: FrontPoint, in report: StudyReport) -> JSONValue {
    var members = measured(point.measurement, in: report)
    members["point"] = .integer(point.index)
    members["trial"] = .integer(point.trial)
    members["score"] = .string(point.score)
    members["calibration"] = .string(point.calibration)
    members["best"] = .bool(point.isBest)
    members["knee"] = .bool(point.isKnee)
    members["widths"] = widths(point.widths)
    return .object(members)
  }

  private static func date(_ date: Date?) -> JSONValue {
    guard let date else { return .null }
    return .string(ISO8601DateFormatter.string(from: date, timeZone: .gmt, formatOptions: .withInternetDateTime))
  }
}
