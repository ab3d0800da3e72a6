/// A candidate whose evaluation failed.
public struct CandidateFailure: Error, Equatable, Sendable {
  public let reason: String

  /// Evaluates candidates together. If that fails, evaluates them one by one, so that a bad candidate spoils its own
  /// result only.
  ///
  /// - Parameters:
  ///   - isFatal: true for an error that would hit every candidate, such as a lost file. It ends the work.
  ///   - evaluate: gives one result for each candidate, in their order.
  /// - Throws: fatal errors and `CancellationError`.
  public static func caught<Candidate, Found>(
    _ candidates: [Candidate], isFatal: (any Error) -> Bool = { _ in false },
    evaluate: ([Candidate]) throws -> [Found]
  ) throws -> [Result<Found, CandidateFailure>] {
    do {
      return try evaluate(candidates).map { .success($0) }
    } catch  where !(error is CancellationError) && !isFatal(error) {
      if candidates.count == 1 { return [.failure(CandidateFailure(reason: "\(error)"))] }
      return try candidates.flatMap { try caught([$0], isFatal: isFatal, evaluate: evaluate) }
    }
  }
}

/// Stops a search in which too many candidates fail.
///
/// At least three must have failed, and either more than a quarter of the last generation, or all candidates so far.
public struct FailureRule: Sendable {
  /// Fewer failures never stop a search.
  public static let fewest = 3

  private let generation: Int
  /// Reasons of the latest candidates, `nil` for one with a result.
  private var latest: [String?] = []
  private var first: String?
  private var hasResults: Bool

  /// - Parameters:
  ///   - generation: number of candidates to look back on.
  ///   - hasResults: true if earlier candidates of the search have results.
  public init(generation: Int, hasResults: Bool = false) {
    self.generation = max(1, generation)
    self.hasResults = hasResults
  }

  /// Takes note of candidates that ended.
  ///
  /// - Parameter reasons: reason of each failure, `nil` for a candidate with a result.
  /// - Throws: `TooManyFailures`.
  public mutating func note(_ reasons: [String?]) throws(TooManyFailures) {
    latest = Array((latest + reasons).suffix(max(generation, reasons.count)))
    first = first ?? reasons.compactMap(\.self).first
    hasResults = hasResults || reasons.contains(nil)
    let failed = latest.count { $0 != nil }
    if failed >= Self.fewest && (4 * failed > generation || !hasResults), let first {
      throw TooManyFailures(failed: failed, candidates: latest.count, reason: first)
    }
  }

  /// Takes note that the search has ended.
  ///
  /// - Throws: `TooManyFailures` if no candidate has a result, but some failed.
  public func end() throws(TooManyFailures) {
    guard !hasResults, let first else { return }
    throw TooManyFailures(failed: latest.count { $0 != nil }, candidates: latest.count, reason: first)
  }
}

public struct TooManyFailures: Error, Equatable, Sendable, CustomStringConvertible {
  public let failed: Int
  public let candidates: Int
  /// Reason of the first failure.
  public let reason: String

  public var description: String {
    "\(failed) of the last \(candidates) candidates failed, so the search stops; the first reason: \(reason)"
  }
}
