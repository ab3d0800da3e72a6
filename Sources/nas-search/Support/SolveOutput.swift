import Checkpoints
import Foundation
import Pipeline
import Reformation

/// The words and the JSON of `solve`; `README.md` documents the JSON.
enum SolveOutput {
  static func text(_ outcome: SolveJob.Outcome, outputs: [CheckpointOutput]) -> String {
    func seconds(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f s", value) }
    let times =
      "error curves in \(seconds(outcome.curveSeconds, 1)), \(outcome.answers.count) budgets in "
      + seconds(outcome.budgetSeconds, 2) + (outcome.damping.map { "; damping \($0) of the mean diagonal" } ?? "")
    return
      ([table(outcome.answers), times] + zip(outputs, outcome.exports).map { $1.line($0.path) })
      .joined(separator: "\n")
  }

  private static func table(_ answers: [SolveJob.Answer]) -> String {
    answers.map { answer in
      let groups = answer.widths.map(\.groups)
      let channels = answer.widths.map(\.channels)
      var line =
        "\(String(format: "%6.2f", answer.keepRatio * 100)) % kept of at most "
        + "\(String(format: "%6.2f", answer.keepTarget * 100)) %: predicted error "
        + "\(String(format: "%.4f", answer.predictedError)), score \(answer.score), KV groups "
        + "\(groups.min() ?? 0)–\(groups.max() ?? 0), MLP channels \(channels.min() ?? 0)–\(channels.max() ?? 0)"
      if let queries = answer.widths.first?.queries { line += ", query heads a group \(queries)" }
      if let values = answer.measured {
        line +=
          "; measured KL \(String(format: "%.4f", values.kl)), perplexity \(String(format: "%.2f", values.perplexity)) "
          + "(dense \(String(format: "%.2f", values.densePerplexity)))"
      }
      return line
    }.joined(separator: "\n")
  }

  static func json(_ outcome: SolveJob.Outcome, metric: ErrorCurves.Metric) -> JSONValue {
    [
      "schema": "nas-search.solve", "version": 1, "curve_metric": .string(metric.rawValue),
      "damping": .optional(outcome.damping),
      "curve_seconds": .number(outcome.curveSeconds), "budget_seconds": .number(outcome.budgetSeconds),
      "answers": .array(
        outcome.answers.map { answer in
          [
            "keep_target": .number(answer.keepTarget), "keep_ratio": .number(answer.keepRatio),
            "block_parameters": .integer(answer.parametersBlock), "total_parameters": .integer(answer.parametersTotal),
            "score": .string(answer.score), "predicted_error": .number(answer.predictedError),
            "kv_groups": .array(answer.widths.map { .integer($0.groups) }),
            "mlp_channels": .array(answer.widths.map { .integer($0.channels) }),
            "queries_per_group": .optional(answer.widths.first?.queries),
            "kl": .optional(answer.measured?.kl), "perplexity": .optional(answer.measured?.perplexity),
            "dense_perplexity": .optional(answer.measured?.densePerplexity),
          ]
        }),
    ]
  }
}
