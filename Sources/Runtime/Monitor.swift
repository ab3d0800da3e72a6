/// Watches over longer work: hears of its progress and may end it.
///
/// A job passes one monitor to everything that takes long. The monitor knows no clock and prints nothing: whoever made it
/// decides what becomes of what it hears.
public struct Monitor: Sendable {
  /// A stage of longer work. Time is booked by `kind`; `subject` says which of several.
  public struct Stage: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, Codable, CaseIterable {
      case reading = "reading text"
      case sampling = "sampling calibration text from the model"
      case filtering = "filtering calibration text"
      case statistics, gradients
      case damping = "damping by held-out error"
      case reference = "dense reference"
      case curves = "error curves"
      case baselines = "uniform baselines"
      case candidates = "evaluating candidates"
      case ranking
      case scoring
      case repair = "sequential repair"
      case writing, comparing
      case measuring = "measuring"
    }

    public let kind: Kind
    /// Such as the name of a calibration set; `nil` if the stage occurs once.
    public let subject: String?

    public init(_ kind: Kind, of subject: String? = nil) { (self.kind, self.subject) = (kind, subject) }

    public var description: String { subject.map { "\(kind.rawValue) of '\($0)'" } ?? kind.rawValue }
  }

  /// Something else that a job tells, such as a warning. Each job has a type of its own for it.
  public protocol Event: Sendable {}

  /// Steps done of a stage.
  public struct Progress: Event, Equatable {
    public let stage: Stage
    public let done: Int
    public let total: Int
  }

  private let hear: @Sendable (any Event) -> Void
  private let isCancelled: @Sendable () -> Bool
  /// This monitor's share of the steps of its parent's stages.
  private var part = 0
  private var parts = 1

  /// - Parameters:
  ///   - isCancelled: asked at every step; the work then ends with `CancellationError`.
  ///   - hear: called with every event, from the thread that does the work.
  public init(isCancelled: @escaping @Sendable () -> Bool = { false }, hear: @escaping @Sendable (any Event) -> Void) {
    (self.isCancelled, self.hear) = (isCancelled, hear)
  }

  /// Hears nothing and never cancels.
  public static let silent = Monitor { _ in }

  /// The same monitor for one of several equal parts of a stage.
  public func part(_ number: Int, of count: Int) -> Monitor {
    var result = self
    (result.part, result.parts) = (part * count + number, parts * count)
    return result
  }

  /// Tells how far a stage is.
  ///
  /// - Throws: `CancellationError` if the work is to end.
  public func advance(_ stage: Stage, _ done: Int, of total: Int) throws {
    try checkCancelled()
    hear(Progress(stage: stage, done: part * total + done, total: parts * total))
  }

  /// - Throws: `CancellationError` if the work is to end.
  public func checkCancelled() throws { if isCancelled() { throw CancellationError() } }

  /// Tells of an event.
  public func tell(_ event: some Event) { hear(event) }
}
