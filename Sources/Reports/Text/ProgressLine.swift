import Search

/// Where a search stands, as far as its progress line needs to know.
public struct SearchProgress: Equatable, Sendable {
  /// Evaluations of the study, earlier sessions of a resumed one included.
  public var evaluationsDone: Int
  public var budget: SearchBudget
  /// Seconds searched in all sessions together; what `budget.seconds` limits.
  public var elapsedSeconds: Double
  /// Seconds that an evaluation takes at present; absent before the first one of this session.
  public var secondsPerEvaluation: Double?
  /// Name of the value that is shown as best, for example `KL`.
  public var valueName: String
  public var bestValue: Double?
  public var hypervolume: Double?

  public init(
    evaluationsDone: Int, budget: SearchBudget, elapsedSeconds: Double, secondsPerEvaluation: Double? = nil,
    valueName: String = "KL", bestValue: Double? = nil, hypervolume: Double? = nil
  ) {
    (self.evaluationsDone, self.budget, self.elapsedSeconds, self.secondsPerEvaluation) = (
      evaluationsDone, budget, elapsedSeconds, secondsPerEvaluation
    )
    (self.valueName, self.bestValue, self.hypervolume) = (valueName, bestValue, hypervolume)
  }

  /// Share of the budget used up, 0…1: the larger of evaluations and time; 0 where there is no limit.
  public var fractionDone: Double {
    let count = budget.evaluations.map { $0 > 0 ? Double(evaluationsDone) / Double($0) : 1 } ?? 0
    let time = budget.seconds.map { $0 > 0 ? elapsedSeconds / $0 : 1 } ?? 0
    let fraction = max(count, time)
    return fraction.isFinite ? min(1, max(0, fraction)) : 0
  }

  /// Seconds until the first limit is reached; nil while that cannot be told.
  public var secondsLeft: Double? {
    let byCount: Double? = budget.evaluations.flatMap { limit in
      if evaluationsDone >= limit { return 0 }
      return secondsPerEvaluation.map { Double(limit - evaluationsDone) * $0 }
    }
    let byTime = budget.seconds.map { max(0, $0 - elapsedSeconds) }
    return [byCount, byTime].compactMap { $0 }.min()
  }
}

/// One line about a running search. These functions only make strings; printing is the command's business.
public enum ProgressLine {
  /// A progress bar of at most `width` columns, without a line break:
  /// `[#####.....] 57/200  best KL 0.312  HV 0.812  3.1 s/eval  ETA 07:12`.
  ///
  /// Where that does not fit, the bar shrinks first, then rate, hypervolume, best value and bar go, in this order.
  public static func bar(_ progress: SearchProgress, width: Int) -> String {
    let count = counter(progress)
    let eta = "ETA " + NumberText.clock(progress.secondsLeft)
    let best = TerminalText.safe(value(progress))
    let volume = "HV " + NumberText.significant(progress.hypervolume)
    let candidates: [[String]] = [
      [count, best, volume, rate(progress), eta], [count, best, volume, eta], [count, best, eta], [count, eta],
    ]
    let smallest = 10
    let largest = 30
    for parts in candidates {
      let text = parts.joined(separator: "  ")
      let room = width - TerminalText.columns(text) - 3
      if room >= smallest {
        return "[" + fill(progress.fractionDone, min(largest, room)) + "] " + text
      }
    }
    return TerminalText.truncate(candidates[3].joined(separator: "  "), to: max(0, width))
  }

  /// One line for a log after a generation (or any batch of evaluations):
  /// `generation 4  57/200 evaluations  best KL 0.312  HV 0.812  front 14  3.1 s/eval  02:57 elapsed  ETA 07:12`.
  public static func generation(_ number: Int?, front: Int, _ progress: SearchProgress) -> String {
    let words = [
      number.map { "generation \($0)" }, counter(progress) + " evaluations", TerminalText.safe(value(progress)),
      "HV " + NumberText.significant(progress.hypervolume), "front \(front)", rate(progress),
      NumberText.clock(progress.elapsedSeconds) + " elapsed", "ETA " + NumberText.clock(progress.secondsLeft),
    ]
    return words.compactMap { $0 }.joined(separator: "  ")
  }

  private static func counter(_ progress: SearchProgress) -> String {
    progress.budget.evaluations.map { "\(progress.evaluationsDone)/\($0)" } ?? "\(progress.evaluationsDone)"
  }

  private static func value(_ progress: SearchProgress) -> String {
    "best \(progress.valueName) " + NumberText.significant(progress.bestValue)
  }

  private static func rate(_ progress: SearchProgress) -> String {
    guard let seconds = progress.secondsPerEvaluation, seconds.isFinite else { return "– s/eval" }
    return (seconds < 9.95 ? NumberText.fixed(seconds, 1) : NumberText.fixed(seconds, 0)) + " s/eval"
  }

  private static func fill(_ fraction: Double, _ width: Int) -> String {
    let done = Int((fraction * Double(width)).rounded(.down))
    return String(repeating: "#", count: done) + String(repeating: ".", count: width - done)
  }
}
