import Checkpoints
import Foundation

/// `files.csv`: the measured files as rows, for spreadsheets and data frames; columns as axes are called.
public enum FilesCSV {
  static func header(_ report: StudyReport) -> [String] {
    ["file", "point", "trial", "weights", "repair", "tokens"]
      + report.fileColumns.flatMap { column in
        let hasError = report.files.contains { column.error($0) != nil }
        return [column.axis.name] + (hasError ? ["\(column.axis.name)_error"] : [])
      }
  }

  public static func data(_ report: StudyReport) -> Data {
    let rows = report.files.map { file in
      var row = FilesJSON.head(file, in: report)
      for column in report.fileColumns {
        let value = column.value(file)
        let count = column.axis.style == .bytes ? value.flatMap { Int(exactly: $0) } : nil
        row[column.axis.name] = count.map { .integer($0) } ?? .optional(value)
        row["\(column.axis.name)_error"] = .optional(column.error(file))
      }
      return row
    }
    return CSVTable.data(header(report), rows)
  }
}

/// The members `files` and `speed` of `front.json`.
enum FilesJSON {
  static func head(_ file: MeasuredFile, in report: StudyReport) -> [String: JSONValue] {
    let point = report.front.first { $0.trial == file.trial }
    return [
      "file": .string(file.name), "point": .optional(point?.index), "trial": .optional(file.trial),
      "weights": .string(file.weights), "repair": file.repair.map { .string($0) } ?? .null,
      "tokens": .optional(file.tokens),
    ]
  }

  static func object(_ file: MeasuredFile, in report: StudyReport) -> JSONValue {
    var members = head(file, in: report)
    members["bytes"] = .integer(file.bytes)
    members["identity"] = .string(file.identity)
    members["texts"] = .array(
      file.texts.map { text in
        [
          "file": .string(text.name), "window": .integer(text.window), "windows": .integer(text.windows),
          "perplexity": .number(text.perplexity), "kl": .optional(text.kl),
          "top1_agreement": .optional(text.top1Agreement),
        ]
      })
    members["tasks"] = .array(
      file.tasks.map { task in
        [
          "task": .string(task.task), "metric": .string(task.metric), "items": .optional(task.items),
          "value": .number(task.value), "stderr": .optional(task.error),
        ]
      })
    members["speed"] = .null
    if let speed = file.speed {
      members["speed"] = [
        "prompt_tokens_per_second": .number(speed.prompt), "prompt_spread": .number(speed.promptSpread),
        "generated_tokens_per_second": .number(speed.generation), "generated_spread": .number(speed.generationSpread),
        "resident_bytes": .optional(speed.residentBytes),
      ]
    }
    return .object(members)
  }

  static func conditions(_ speed: SpeedConditions?) -> JSONValue {
    guard let speed else { return .null }
    return [
      "machine": .string(speed.machine), "engine": .string(speed.engine), "threads": .integer(speed.threads),
      "prompt_tokens": .integer(speed.promptTokens), "generated_tokens": .integer(speed.generatedTokens),
      "rounds": .integer(speed.rounds),
    ]
  }
}
