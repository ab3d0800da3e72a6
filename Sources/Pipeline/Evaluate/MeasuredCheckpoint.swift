import Checkpoints
import Foundation
import LanguageModels

/// What a checkpoint is, for whoever compares what was measured of several: `evaluate --json` says it, and `report --evidence` reads it.
public struct MeasuredCheckpoint: Sendable {
  /// Hash of the configuration and of samples of the weights, as studies and records know models.
  public let fingerprint: String
  /// Of a single file its size, else of all tensors together.
  public let bytes: Int
  /// The type that the weights were written as if an export of ours says it, else that of most values in matrices; lower case.
  public let weights: String
  /// Where the checkpoint comes from by the record of the export; `nil` for other checkpoints.
  public let origin: ModelOrigin?
  /// The file; `nil` for a folder or several files.
  private let file: URL?

  init(_ model: LanguageModel) throws {
    fingerprint = try model.fingerprint()
    let tensors = model.checkpoint.tensors.values
    let isFile = !(try model.location.resourceValues(forKeys: [.isDirectoryKey]).isDirectory ?? false)
    file = isFile && model.location.lastPathComponent.range(of: "-of-") == nil ? model.location : nil
    let size = try file?.resourceValues(forKeys: [.fileSizeKey]).fileSize
    bytes = size ?? tensors.reduce(0) { $0 + $1.bytes.count }
    let written = (model.checkpoint as? GGUFFile)?["nas_search.weights"]?.string
    var counts: [String: Int] = [:]
    for tensor in tensors where tensor.shape.count > 1 {
      counts[tensor.type.name.lowercased(), default: 0] += tensor.shape.reduce(1, *)
    }
    weights = written ?? counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? "unknown"
    origin = model.exportRecord.flatMap { ModelOrigin($0) }
  }

  /// Members of the `model` in `evaluate --json`.
  ///
  /// - Throws: `CalibrationError` for a file that is gone.
  public func members() throws -> [String: JSONValue] {
    let hash = try file.map(CalibrationFile.sha256(of:))
    return [
      "fingerprint": .string(fingerprint), "bytes": .integer(bytes), "weights": .string(weights),
      "sha256": hash.map { .string($0) } ?? .null, "origin": origin?.document ?? .null,
    ]
  }
}

/// Where an export comes from, as its record says: what `report --evidence` matches with a study.
public struct ModelOrigin: Codable, Equatable, Sendable {
  /// Name of the study, number of the trial, and repair; `nil` for what no study made.
  public var study: String?
  public var trial: Int?
  public var repair: String?
  /// `convert` for a model that only changed its form, else the method that made it.
  public var method: String?
  /// KV groups and MLP channels of each layer of a study's subnet.
  public var genome: [[Int]]?
  /// The model that all began with.
  public var parentFingerprint: String?
  /// Rows of the embedding, if tokens were dropped.
  public var tokens: Int?

  /// The same as `evaluate --json` has it.
  var document: JSONValue {
    var members: [String: JSONValue] = [:]
    members["study"] = study.map { .string($0) }
    members["trial"] = trial.map { .integer($0) }
    members["repair"] = repair.map { .string($0) }
    members["method"] = method.map { .string($0) }
    members["genome"] = genome.map { .array($0.map { .integers($0) }) }
    members["parent_fingerprint"] = parentFingerprint.map { .string($0) }
    members["tokens"] = tokens.map { .integer($0) }
    return .object(members)
  }

  /// - Parameter record: of an export; those of converted exports hold earlier ones.
  /// - Returns: `nil` for what is no record.
  init?(_ record: JSONValue) {
    guard let found = record["parent"] else { return nil }
    tokens = record["vocabulary"]?["tokens"]?.integer
    if record["method"]?.string == "convert", let earlier = record["earlier"], let origin = ModelOrigin(earlier) {
      let dropped = tokens
      self = origin
      tokens = dropped ?? origin.tokens
      return
    }
    parentFingerprint = found["fingerprint"]?.string
    (study, trial) = (record["study"]?.string, record["trial"]?.integer)
    (repair, method) = (record["repair"]?.string, record["method"]?.string)
    genome = record["genome"]?.array?.map { ($0.array ?? []).compactMap(\.integer) }
  }
}
