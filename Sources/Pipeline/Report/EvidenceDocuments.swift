import Checkpoints
import Foundation
import Reports
import Tasks

/// What `evaluate --json` prints, as far as reports read it.
struct EvaluationDocument: Decodable {
  static let schema = "nas-search.evaluate"

  struct Model: Decodable {
    let path: String
    let fingerprint: String?
    let bytes: Int?
    let weights: String?
    let sha256: String?
    let origin: ModelOrigin?
  }

  struct Dense: Decodable {
    let path: String
    let fingerprint: String?
  }

  struct Measurement: Decodable {
    let file: String
    let window: Int
    let windows: Int
    let perplexity: Double?
    let densePerplexity: Double?
    let kl: Double?
    let top1Agreement: Double?

    var text: MeasuredFile.Text? {
      perplexity.map {
        MeasuredFile.Text(
          name: URL(fileURLWithPath: file).lastPathComponent, window: window, windows: windows, perplexity: $0, kl: kl,
          top1Agreement: top1Agreement)
      }
    }
  }

  struct Task: Decodable {
    struct Metric: Decodable {
      let metric: String
      let value: Double?
      let stderr: Double?
    }

    let task: String
    let items: Int
    let metrics: [Metric]

    var results: [MeasuredFile.Task] {
      let primary = (try? TaskKind.named(task))?.primary?.rawValue ?? metrics.last?.metric
      return metrics.compactMap { found in
        guard let value = found.value else { return nil }
        let known = TaskMetric(rawValue: found.metric)
        return MeasuredFile.Task(
          task: task, metric: found.metric, items: items, value: value, error: found.stderr,
          isShare: known?.isShare ?? false, isHigherBetter: known?.isHigherBetter ?? true,
          isPrimary: found.metric == primary)
      }
    }
  }

  struct Mean: Decodable {
    struct Part: Decodable {
      let task: String
      let metric: String
    }

    let of: [Part]
    let value: Double?
    let stderr: Double?

    /// - Parameter isFirst: whether it is the mean of the primary metrics.
    func result(isFirst: Bool) -> MeasuredFile.Task? {
      value.map {
        MeasuredFile.Task(
          task: "mean", metric: of.map { "\($0.task):\($0.metric)" }.joined(separator: " "), items: nil, value: $0,
          error: stderr, isShare: true, isHigherBetter: true, isPrimary: isFirst)
      }
    }
  }

  let model: Model
  let dense: Dense?
  let measurements: [Measurement]?
  let tasks: [Task]?
  let means: [Mean]?
}

/// What `Tools/speed_llama_cpp.py` writes; docs/json.md says what its members mean.
struct SpeedDocument: Decodable {
  static let schema = "nas-search.speed"

  struct File: Decodable {
    let path: String
    let bytes: Int
    let sha256: String
    let weights: String
    let origin: ModelOrigin?
    let promptTokensPerSecond: Double
    let promptSpread: Double
    let generatedTokensPerSecond: Double
    let generatedSpread: Double
    let residentBytes: Int?

    var speed: MeasuredFile.Speed {
      MeasuredFile.Speed(
        prompt: promptTokensPerSecond, generation: generatedTokensPerSecond, promptSpread: promptSpread,
        generationSpread: generatedSpread, residentBytes: residentBytes)
    }
  }

  let machine: String
  let engine: String
  let threads: Int
  let promptTokens: Int
  let generatedTokens: Int
  let rounds: Int
  let files: [File]

  var conditions: SpeedConditions {
    SpeedConditions(
      machine: machine, engine: engine, threads: threads, promptTokens: promptTokens,
      generatedTokens: generatedTokens, rounds: rounds)
  }
}
