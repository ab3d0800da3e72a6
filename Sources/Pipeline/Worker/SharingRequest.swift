/// How processes are to share the candidates of a study.
public struct SharingRequest: Codable, Equatable, Sendable {
  /// Number of candidates that a process takes at once; `nil` for a quarter of what the optimiser gives out together.
  public var portion: Int?
  /// Seconds without a sign of life after which a portion is given to another process.
  public var lease = 60.0
  /// Whether the searching process evaluates, too.
  public var evaluates = true

  public init() {}

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require((1...1000).contains(portion ?? 1), "--portion must be between 1 and 1000")
    try PipelineError.require(lease >= 1 && lease <= 86_400, "--lease must be between 1 and 86400 seconds")
  }
}
