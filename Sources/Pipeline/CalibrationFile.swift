import Calibration
import Checkpoints
import Crypto
import Foundation
import LanguageModels

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
    public var fitnessLength: Int
    public var fitnessTokens: [Int32]

    public var windows: CalibrationSet {
      CalibrationSet(
        name: name, calibration: TokenWindows(length: calibrationLength, tokens: calibrationTokens),
        fitness: TokenWindows(length: fitnessLength, tokens: fitnessTokens))
    }
  }

  public init(model: String, sets: [StoredSet]) {
    self.model = model
    self.sets = sets
  }

  public init(directory: URL) throws {
    let url = directory.appendingPathComponent(Self.name)
    do {
      self = try JSONDecoder().decode(CalibrationFile.self, from: Data(contentsOf: url))
    } catch {
      throw PipelineError.damaged(path: url.path, problem: "the calibration windows cannot be read")
    }
    for set in sets {
      let lengths = [
        (set.calibrationLength, set.calibrationTokens.count), (set.fitnessLength, set.fitnessTokens.count),
      ]
      guard lengths.allSatisfy({ $0.0 > 0 && $0.1 > 0 && $0.1 % $0.0 == 0 }) else {
        throw PipelineError.damaged(path: url.path, problem: "the windows of '\(set.name)' are not whole")
      }
    }
  }

  public func write(to directory: URL) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(encoder.encode(self), to: directory.appendingPathComponent(Self.name))
  }

  /// All fitness windows, set after set.
  public var fitness: TokenWindows {
    TokenWindows(length: sets.first?.fitnessLength ?? 1, tokens: sets.flatMap(\.fitnessTokens))
  }

  /// Hash by which a text file is recognised later.
  public static func sha256(of url: URL) throws -> String {
    guard let data = try? Data(contentsOf: url, options: .alwaysMapped) else {
      throw CalibrationError.unreadable(file: url.path, reason: "it cannot be read")
    }
    return SHA256.hash(data: data).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

extension CalibrationFile {
  /// Reads or samples the sets that the settings ask for. Fitness windows are shared out between the sets.
  init(
    _ settings: SearchSettings, model: LanguageModel, fingerprint: String,
    progress: ((_ source: String, _ done: Int, _ total: Int) -> Void)?
  ) throws {
    let sources = settings.calibration.map { CalibrationSource($0, field: settings.field) }
    for (index, source) in sources.enumerated() where sources[..<index].contains(where: { $0.name == source.name }) {
      throw CalibrationError.duplicateName(source.name)
    }
    let tokenizer = try model.tokenizer()
    let plan = CalibrationSet.Plan(
      windows: settings.calibrationWindows, length: settings.calibrationLength,
      fitnessWindows: max(1, settings.fitnessWindows / sources.count), fitnessLength: settings.fitnessLength)
    let sets = try sources.map { source in
      let set: CalibrationSet
      if source == .model {
        set = try CalibrationSet(sampledFrom: model, tokenizer: tokenizer, plan: plan, seed: settings.seed) {
          progress?(source.name, $0, $1)
        }
      } else {
        let tokens = tokenizer.encode(try TextCorpus.read(source), addSpecialTokens: false)
        set = try CalibrationSet(name: source.name, tokens: tokens, plan: plan, seed: settings.seed)
      }
      return StoredSet(
        name: source.name, source: source.url?.path ?? "self", sha256: try source.url.map(Self.sha256),
        calibrationLength: set.calibration.length, calibrationTokens: set.calibration.tokens,
        fitnessLength: set.fitness.length, fitnessTokens: set.fitness.tokens)
    }
    self.init(model: fingerprint, sets: sets)
  }
}
