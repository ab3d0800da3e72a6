/// Watches over longer work: hears of its progress and may end it.
///
/// A job passes one monitor to everything that takes long. The monitor knows no clock and prints nothing: its maker
/// decides how its events are used.
public struct Monitor: Sendable {
  /// A stage of longer work. Time is booked by `kind`; `subject` says which of several.
  public struct Stage: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable, CaseIterable {
      case reading = "reading text"
      case sampling = "sampling calibration text"
      case filtering = "filtering calibration text"
      case statistics, gradients
      case damping
      case reference = "dense reference"
      case correlation = "correlation of errors"
      case curves = "error curves"
      case baselines = "uniform baselines"
      case candidates = "evaluating candidates"
      case ranking, factorising, scoring, solving
      case heads = "narrowing heads"
      case repair = "sequential repair"
      case descent
      case lossGradients = "gradients of the divergence"
      case zeros = "looking for zeros"
      case evolution, trials, texts, tasks, timing
      case importance = "importance of inputs"
      case writing
      case randomWeights = "random weights, MiB"
      case readingBack = "reading back"
      case waiting
    }

    public let kind: Kind
    /// Such as the name of a calibration set; `nil` if the stage occurs once.
    public let subject: String?

    public init(_ kind: Kind, of subject: String? = nil) { (self.kind, self.subject) = (kind, subject) }

    public var description: String {
      guard let subject else { return kind.rawValue }
      let preposition =
        switch kind {
        case .gradients, .timing: "on"
        case .waiting: "for"
        default: "of"
        }
      return "\(kind.rawValue) \(preposition) '\(subject)'"
    }
  }

  /// Something else that a job tells, such as a warning. Each job has a type of its own for it.
  public protocol Event: Sendable {}

  /// Steps done of a stage.
  public struct Progress: Event, Equatable {
    public let stage: Stage
    public let done: Int
    public let total: Int
  }

  private var hear: @Sendable (any Event) -> Void
  private let asksToStop: @Sendable () -> Bool
  /// This monitor's part of equal parts of a stage.
  private var part = 0
  private var parts = 1
  /// Steps of a stage before those of this monitor, and all of them if they are known.
  private var before = 0
  private var whole: Int?
  /// The stage that all work is a part of; `nil` if the work names its stages.
  private var stage: Stage?
  /// The range of the whole that shares of the work lie in.
  private var range = 0.0...1.0

  /// - Parameters:
  ///   - isCancelled: asked at every step; the work then ends with `CancellationError`.
  ///   - hear: called with every event, from the thread that does the work.
  public init(isCancelled: @escaping @Sendable () -> Bool = { false }, hear: @escaping @Sendable (any Event) -> Void) {
    (asksToStop, self.hear) = (isCancelled, hear)
  }

  /// Hears nothing and never cancels.
  public static let silent = Monitor { _ in }

  private func changed(_ change: (inout Monitor) -> Void) -> Monitor {
    var result = self
    change(&result)
    return result
  }

  /// The same monitor for one of several equal parts of a stage.
  public func part(_ number: Int, of count: Int) -> Monitor {
    changed { ($0.part, $0.parts) = (part * count + number, parts * count) }
  }

  /// Tells how far a stage is.
  ///
  /// - Throws: `CancellationError` if the work is to end.
  public func advance(_ stage: Stage, _ done: Int, of total: Int) throws {
    try checkCancelled()
    let (done, total) = (before + done, whole ?? total)
    hear(Progress(stage: self.stage ?? stage, done: part * total + done, total: parts * total))
  }

  /// The same monitor for work whose steps are some of a stage's.
  ///
  /// - Parameters:
  ///   - done: number of steps before the first of this work.
  ///   - total: number of steps of the whole stage.
  public func steps(from done: Int, of total: Int) -> Monitor {
    changed { ($0.before, $0.whole) = (done, total) }
  }

  /// The same monitor for work that takes a stage from one share to another; for `advance(_:share:)`.
  public func within(_ inner: ClosedRange<Double>) -> Monitor {
    let (start, length) = (range.lowerBound, range.upperBound - range.lowerBound)
    return changed { $0.range = start + inner.lowerBound * length...start + inner.upperBound * length }
  }

  /// The same monitor for work that is a part of some stage, whatever stages the work itself names.
  public func during(_ stage: Stage) -> Monitor {
    changed { $0.stage = stage }
  }

  /// Tells how far a stage is that has no steps to count, in thousandths.
  ///
  /// - Throws: `CancellationError` if the work is to end.
  public func advance(_ stage: Stage, share: Double) throws {
    try checkCancelled()
    let whole = range.lowerBound + share * (range.upperBound - range.lowerBound)
    hear(Progress(stage: self.stage ?? stage, done: Int((1000 * whole).rounded()), total: 1000))
  }

  /// - Throws: `CancellationError` if the work is to end.
  public func checkCancelled() throws { if isCancelled { throw CancellationError() } }

  /// True if the work is to end.
  public var isCancelled: Bool { asksToStop() }

  /// The same monitor with a second listener, which hears first.
  public func heard(by listener: @escaping @Sendable (any Event) -> Void) -> Monitor {
    changed { monitor in
      monitor.hear = { [hear] event in
        listener(event)
        hear(event)
      }
    }
  }

  /// Tells of an event.
  public func tell(_ event: any Event) { hear(event) }
}
