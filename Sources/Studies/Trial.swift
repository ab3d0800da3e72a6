import Foundation
import Search

/// The state of a trial, by Optuna's names.
public enum TrialState: String, Sendable {
  case running = "RUNNING"
  case complete = "COMPLETE"
  case pruned = "PRUNED"
  case failed = "FAIL"
  /// To be evaluated: by the first worker that claims it, or again, because the process that began it has ended.
  case waiting = "WAITING"
}

/// A trial as the store holds it.
public struct StoredTrial: Hashable, Sendable {
  /// The candidate's ordinal.
  public let number: Int
  public let state: TrialState
  public let genome: Genome
  /// The candidate's origin.
  public let origin: String
  /// One value for each objective of a complete trial, else none.
  public let values: [Double]
  /// User attributes without the origin; each value is a JSON text.
  public let attributes: [String: String]
  /// The worker that claimed the trial or delivered its result; `nil` if it was the searching process itself.
  public let owner: String?
  public let started: Date?
  public let ended: Date?

  /// The reason of a failure, if it was recorded.
  public var failure: String? {
    attributes[Study.Key.failure].flatMap { try? JSONText.decode(String.self, from: $0) }
  }
}

/// The model of a study: a name for people, and a fingerprint that distinguishes models.
public struct ModelIdentity: Hashable, Codable, Sendable, CustomStringConvertible {
  public let name: String
  public let fingerprint: String

  public init(name: String, fingerprint: String) {
    self.name = name
    self.fingerprint = fingerprint
  }

  public var description: String { "\(name) (fingerprint \(fingerprint))" }
}
