import Checkpoints
import Foundation
import Tasks

/// What a model reached in tasks, as JSON.
public enum TaskJSON {
  /// A task with its metrics.
  public static func object(_ result: TaskResult, itemsPerSecond: Double) -> JSONValue {
    [
      "task": .string(result.task), "items": .integer(result.items), "items_per_second": .number(itemsPerSecond),
      "metrics": .array(result.scores.map { .object(members($0)) }),
    ]
  }

  static func members(_ score: TaskScore) -> [String: JSONValue] {
    [
      "metric": .string(score.metric.rawValue), "value": .number(score.value), "stderr": .optional(score.standardError),
      "dense": .optional(score.dense), "difference": .optional(score.difference),
      "difference_stderr": .optional(score.differenceError),
    ]
  }

  /// A mean over tasks, with what enters it.
  public static func object(_ mean: TaskMean) -> JSONValue {
    [
      "of": .array(mean.parts.map { ["task": .string($0.task), "metric": .string($0.metric.rawValue)] }),
      "value": .number(mean.value), "stderr": .optional(mean.standardError), "dense": .optional(mean.dense),
      "difference": .optional(mean.difference), "difference_stderr": .optional(mean.differenceError),
    ]
  }
}

/// The same as a table for spreadsheets and data frames: a row for each metric of each task, then one for each mean, whose `task` is
/// `mean` and whose `metric` lists what enters it.
public enum TaskCSV {
  static let header = ["task", "items", "metric", "value", "stderr", "dense", "difference", "difference_stderr"]

  public static func data(_ results: [TaskResult], means: [TaskMean]) -> Data {
    let scores = results.flatMap { result in
      result.scores.map { score in
        TaskJSON.members(score).merging(["task": .string(result.task), "items": .integer(result.items)]) { $1 }
      }
    }
    let rows = means.map { mean in
      let parts = mean.parts.map { "\($0.task):\($0.metric.rawValue)" }.joined(separator: " ")
      return (TaskJSON.object(mean).object ?? [:]).merging(["task": "mean", "metric": .string(parts)]) { $1 }
    }
    return CSVTable.data(header, scores + rows)
  }
}
