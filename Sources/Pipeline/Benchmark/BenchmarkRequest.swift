/// Candidates of a study on which the evaluator is to be timed.
public struct BenchmarkRequest: Codable, Equatable, Sendable {
  /// Address of the study.
  public var study: String
  /// The parent, if it is no longer at the place that the study remembers.
  public var model: String?
  /// Number of candidates, the last of the study.
  public var candidates = 64
  /// Number of fitness windows to measure on, the first of the study; `nil` for all.
  public var windows: Int?
  /// Numbers of windows on which the candidates compete, as in a search with `--rungs`.
  public var rungs = 1

  public static let standard = BenchmarkRequest(study: "")

  public init(study: String) { self.study = study }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    func require(_ condition: Bool, _ problem: String) throws {
      if !condition { throw PipelineError.invalidOption(problem) }
    }
    try require((1...100_000).contains(candidates), "--candidates must be between 1 and 100000")
    try require(windows ?? 1 >= 1, "--windows must be at least 1")
    try require((1...10).contains(rungs), "--rungs must be between 1 and 10")
  }
}
