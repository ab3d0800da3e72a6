import Foundation
import Search

/// Where a trial stands, by Optuna's names.
public enum TrialState: String, Sendable {
  case running = "RUNNING"
  case complete = "COMPLETE"
  case pruned = "PRUNED"
  case failed = "FAIL"
  /// To be evaluated: by whoever claims it first, or again, because whoever began it ended before it did.
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
  /// One value an objective for a complete trial, else none.
  public let values: [Double]
  /// User attributes, each a JSON text, without the origin.
  public let attributes: [String: String]
  /// Which worker claimed the trial or delivered its result; `nil` if the searching process itself did.
  public let owner: String?
  public let started: Date?
  public let ended: Date?

  /// Why a failed trial failed, where that was recorded.
  public var failure: String? {
    attributes[Study.Key.failure].flatMap { try? JSONText.decode(String.self, from: $0) }
  }
}

/// Whether smaller or larger values of an objective are better.
public enum Direction: String, Codable, Sendable {
  case minimize = "MINIMIZE"
  case maximize = "MAXIMIZE"
}

/// Which model a study is about: a name for people and a fingerprint that tells models apart.
public struct ModelIdentity: Hashable, Codable, Sendable, CustomStringConvertible {
  public let name: String
  public let fingerprint: String

  public init(name: String, fingerprint: String) {
    self.name = name
    self.fingerprint = fingerprint
  }

  public var description: String { "\(name) (fingerprint \(fingerprint))" }
}
