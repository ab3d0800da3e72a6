/// Where a stage of longer work stands (reading, statistics, factorising, repairing, …), and when it should end.
///
/// Knows no clock: whoever shows it passes seconds since any fixed moment.
public struct StageProgress: Sendable {
  /// Seconds between two lines of a log about the same stage.
  public static let pause = 15.0

  private var name: String?
  private var began = 0.0
  /// What was done when the stage was first heard of, as after a resumed run.
  private var doneBefore = 0
  private var logged = 0.0

  public init() {}

  /// Takes note of a step.
  ///
  /// - Returns: lines for a log: the end of the stage before if it was long, the beginning of this one, or, now and then,
  ///   where it stands.
  public mutating func log(_ name: String, done: Int, total: Int, at seconds: Double) -> [String] {
    if name != self.name {
      let ended = end(at: seconds)
      begin(name, done: done, at: seconds)
      return ended + ["\(name) …"]
    }
    if seconds - logged < Self.pause { return [] }
    logged = seconds
    return [text(done: done, total: total, at: seconds)]
  }

  /// The line of a terminal: `statistics of 'wiki': 12/30  ETA 00:20`.
  public mutating func line(_ name: String, done: Int, total: Int, at seconds: Double) -> String {
    if name != self.name { begin(name, done: done, at: seconds) }
    return text(done: done, total: total, at: seconds)
  }

  /// The stage is over.
  ///
  /// - Returns: a line for a log if it took a while.
  public mutating func end(at seconds: Double) -> [String] {
    defer { name = nil }
    guard let name, seconds - began >= Self.pause else { return [] }
    return ["\(name): \(NumberText.clock(seconds - began))"]
  }

  private mutating func begin(_ name: String, done: Int, at seconds: Double) {
    (self.name, began, doneBefore, logged) = (name, seconds, done, seconds)
  }

  private func text(done: Int, total: Int, at seconds: Double) -> String {
    let counter = "\(name ?? ""): \(done)/\(total)"
    let (steps, elapsed) = (done - doneBefore, seconds - began)
    if steps < 1 || elapsed < 1 || done >= total { return counter }
    return counter + "  ETA \(NumberText.clock(elapsed / Double(steps) * Double(total - done)))"
  }
}
