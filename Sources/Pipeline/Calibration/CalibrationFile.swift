import Calibration
import Checkpoints
import Foundation
import LanguageModels
import Runtime
import Studies
import Workbench

/// The token windows of a study, kept beside it so that resuming and exporting see exactly the same ones.
public struct CalibrationFile: Codable, Sendable {
  public static let name = "calibration.json"

  /// Fingerprint of the model whose tokenizer made the windows.
  public var model: String
  public var sets: [StoredSet]

  public struct StoredSet: Codable, Sendable {
    public var name: String
    /// `self`, or the path that was read.
    public var source: String
    /// SHA-256 of the file's bytes; `nil` for `self`.
    public var sha256: String?
    public var calibrationLength: Int
    public var calibrationTokens: [Int32]
    /// Tokens of further windows of that length, for a descent; `nil` if there are none.
    public var furtherTokens: [Int32]?
    public var fitnessLength: Int
    public var fitnessTokens: [Int32]
    /// Seed by which the windows were drawn; `nil` in older files.
    public var seed: UInt64?
    /// Number of the subset, from 1, where the source was dealt out to several sets; those share their fitness windows.
    public var subset: Int?
    /// What was left out of the source; `nil` where nothing was to be.
    public var filter: CalibrationFilter?
    public var filtered: FilterReport?

    public init(
      name: String, source: String, sha256: String?, windows: CalibrationSet, seed: UInt64?, subset: Int? = nil,
      filter: CalibrationFilter? = nil, filtered: FilterReport? = nil
    ) {
      self.name = name
      self.source = source
      self.sha256 = sha256
      calibrationLength = windows.calibration.length
      calibrationTokens = windows.calibration.tokens
      furtherTokens = windows.further.count > 0 ? windows.further.tokens : nil
      fitnessLength = windows.fitness.length
      fitnessTokens = windows.fitness.tokens
      self.seed = seed
      self.subset = subset
      self.filter = filter
      self.filtered = filtered
    }

    public var windows: CalibrationSet {
      CalibrationSet(
        name: name, calibration: TokenWindows(length: calibrationLength, tokens: calibrationTokens),
        fitness: TokenWindows(length: fitnessLength, tokens: fitnessTokens),
        further: TokenWindows(length: calibrationLength, tokens: furtherTokens ?? []))
    }
  }

  /// A warning where a set has so few tokens that least squares would fit their noise; `nil` where there are enough.
  ///
  /// With fewer tokens than inputs a Gram matrix is singular; only the damping makes it one that can be solved.
  func shortage(for configuration: ModelConfiguration) -> String? {
    let inputs =
      configuration.layers.map {
        max($0.queryHeads * configuration.headDimension, configuration.activations(of: $0))
      }.max() ?? 0
    guard let set = sets.min(by: { $0.calibrationTokens.count < $1.calibrationTokens.count }),
      set.calibrationTokens.count < 2 * inputs
    else { return nil }
    return
      "\(set.calibrationTokens.count) calibration tokens of '\(set.name)' are few for least squares over \(inputs) "
      + "inputs, which leans on its damping; give more --calibration-windows"
  }

  public func data() throws -> Data {
    try StoredJSON.document(self, schema: "calibration", indented: false)
  }

  public func write(to directory: URL) throws {
    try AtomicFile.write(data(), to: directory.appendingPathComponent(Self.name))
  }

  /// All calibration windows. The sets take turns, so that the first few windows have something of every set.
  var windows: TokenWindows { TokenWindows(takingTurns: sets.map(\.windows.calibration)) }

  /// All windows of a descent, likewise.
  var training: TokenWindows { TokenWindows(takingTurns: sets.map(\.windows.training)) }

  /// All fitness windows, set after set; those that subsets share once.
  public var fitness: TokenWindows {
    TokenWindows(
      length: sets.first?.fitnessLength ?? 1, tokens: sets.filter { ($0.subset ?? 1) == 1 }.flatMap(\.fitnessTokens))
  }

  /// The sets in words.
  public var summary: String {
    sets.map { set in
      let dropped = set.filtered?.summary ?? ""
      let further = set.windows.further.count
      return "\(set.name): \(set.windows.calibration.count) windows of \(set.calibrationLength) tokens"
        + (further == 0 ? "" : ", \(further) more for a descent")
        + (dropped.isEmpty ? "" : " (\(dropped))")
    }.joined(separator: "; ")
  }

  /// Hash by which a text file is recognised later.
  public static func sha256(of url: URL) throws -> String {
    guard let data = try? Data(contentsOf: url, options: .alwaysMapped) else {
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw CalibrationError.unusable(url.path, reason: exists ? "it cannot be read" : "no such file")
    }
    let hash = SHA256()
    data.withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal
  }
}

extension CalibrationFile {
  /// Reads the windows of a study.
  ///
  /// - Parameters:
  ///   - fingerprint: of the study's model.
  ///   - vocabulary: number of tokens that the model knows.
  /// - Throws: `PipelineError.damaged`.
  public init(of study: Study, model fingerprint: String, vocabulary: Int) throws {
    let path = study.path(of: Self.name)
    guard let data = try study.file(Self.name) else {
      throw PipelineError.damaged(path: path, problem: "the calibration windows are missing")
    }
    try self.init(data, path: path, model: fingerprint, vocabulary: vocabulary)
  }

  /// Reads the windows that `write(to:)` left in a directory.
  public init(directory: URL, model fingerprint: String, vocabulary: Int) throws {
    let url = directory.appendingPathComponent(Self.name)
    guard let data = try? Data(contentsOf: url) else {
      throw PipelineError.damaged(path: url.path, problem: "the calibration windows cannot be read")
    }
    try self.init(data, path: url.path, model: fingerprint, vocabulary: vocabulary)
  }

  private init(_ data: Data, path: String, model fingerprint: String, vocabulary: Int) throws {
    func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws {
      if !condition { throw PipelineError.damaged(path: path, problem: problem()) }
    }
    do {
      self = try StoredJSON.decoder().decode(CalibrationFile.self, from: data)
    } catch {
      throw PipelineError.damaged(path: path, problem: "the calibration windows cannot be read")
    }
    try require(model == fingerprint, "its windows were made for the model \(model), not \(fingerprint)")
    try require(!sets.isEmpty, "it holds no windows")
    for set in sets {
      try require(
        set.calibrationLength == sets[0].calibrationLength && set.fitnessLength == sets[0].fitnessLength,
        "the windows of '\(set.name)' have a length of their own")
      for token in [set.calibrationTokens, set.fitnessTokens].joined() where token < 0 || token >= vocabulary {
        try require(false, "token \(token) of '\(set.name)' is outside the vocabulary of \(vocabulary)")
      }
      for (length, count) in [
        (set.calibrationLength, set.calibrationTokens.count), (set.fitnessLength, set.fitnessTokens.count),
      ] {
        try require(length > 0 && count > 0 && count % length == 0, "the windows of '\(set.name)' are not whole")
      }
    }
  }
}
