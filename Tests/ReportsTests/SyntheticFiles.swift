@testable import Reports

extension SyntheticReports {
  /// The small report with two of its points and the dense model measured as files.
  static var measured: StudyReport {
    var report = small
    func file(_ trial: Int?, _ weights: String, _ bytes: Int, kl: Double?, _ accuracy: Double?, _ speed: Double?)
      -> MeasuredFile
    {
      var file = MeasuredFile(
        name: "\(trial.map { "trial\($0)" } ?? "dense")-\(weights).gguf", trial: trial, weights: weights,
        repair: trial == nil ? nil : "sequential", tokens: nil, bytes: bytes, identity: "\(weights)\(trial ?? -1)")
      if let kl {
        file.texts = [
          .init(name: "lake.txt", window: 512, windows: 8, perplexity: 30 * (1 + kl), kl: kl, top1Agreement: 1 - kl / 2)
        ]
      }
      if let accuracy {
        file.tasks = [
          .init(
            task: "piqa", metric: "acc", items: 100, value: accuracy - 0.02, error: 0.05, isShare: true,
            isHigherBetter: true, isPrimary: false),
          .init(
            task: "piqa", metric: "acc_norm", items: 100, value: accuracy, error: 0.0478, isShare: true,
            isHigherBetter: true, isPrimary: true),
        ]
      }
      file.speed = speed.map {
        .init(
          prompt: 8 * $0, generation: $0, promptSpread: 2.5, generationSpread: 0.25, residentBytes: bytes + 31_000_000)
      }
      return file
    }
    let (one, other) = (report.front[1].trial, report.front[3].trial)
    report.files = [
      file(nil, "q8_0", 90_000_000, kl: 0.002, 0.64, 60), file(one, "q8_0", 70_000_000, kl: 0.2, nil, 75),
      file(nil, "q4_0", 50_000_000, kl: 0.15, 0.6, 90), file(one, "q4_0", 40_000_000, kl: 0.4, 0.58, 110),
      file(other, "q4_0", 30_000_000, kl: nil, nil, 140),
    ]
    report.speed = SpeedConditions(
      machine: "AMD EPYC, 2 cores", engine: "llama.cpp (xllamacpp 1)", threads: 1, promptTokens: 256,
      generatedTokens: 32, rounds: 15)
    return report
  }
}
