/// How processes are to share the candidates of a study.
public struct SharingRequest: Codable, Equatable, Sendable {
  /// Number of candidates that a process takes at once; `nil` for a quarter of what the optimiser gives out together.
  public var portion: Int?
  /// Seconds without a sign of life after which a portion is given to another process.
  public var lease = 60.0
  /// Whether the searching process evaluates, too.
  public var evaluates = true

  public static let standard = SharingRequest()

  public init() {}

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    if let portion, !(1...1000).contains(portion) {
      throw PipelineError.invalidOption("--portion must be between 1 and 1000")
    }
    if !(lease >= 1 && lease <= 86_400) {
      throw PipelineError.invalidOption("--lease must be between 1 and 86400 seconds")
    }
  }
}
