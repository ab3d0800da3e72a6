import Calibration
import Checkpoints
import Crypto
import Foundation
import LanguageModels
import Tokenizers

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

  /// Reads the windows of a study.
  ///
  /// - Parameters:
  ///   - fingerprint: of the study's model.
  ///   - vocabulary: number of tokens that the model knows.
  /// - Throws: `PipelineError.damaged`.
  public init(directory: URL, model fingerprint: String, vocabulary: Int) throws {
    let url = directory.appendingPathComponent(Self.name)
    do {
      self = try JSONDecoder().decode(CalibrationFile.self, from: Data(contentsOf: url))
    } catch {
      throw PipelineError.damaged(path: url.path, problem: "the calibration windows cannot be read")
    }
    guard model == fingerprint else {
      throw PipelineError.damaged(
        path: url.path, problem: "its windows were made for the model \(model), not \(fingerprint)")
    }
    for set in sets {
      let tokens = [set.calibrationTokens, set.fitnessTokens].joined()
      if let token = tokens.first(where: { $0 < 0 || $0 >= vocabulary }) {
        throw PipelineError.damaged(
          path: url.path, problem: "token \(token) of '\(set.name)' is outside the vocabulary of \(vocabulary)")
      }
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
      let exists = FileManager.default.fileExists(atPath: url.path)
      throw CalibrationError.unreadable(file: url.path, reason: exists ? "it cannot be read" : "no such file")
    }
    return SHA256.hash(data: data).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

extension CalibrationFile {
  /// Reads or samples the sets of a plan. Fitness windows are shared out between the sets.
  public init(
    _ settings: CalibrationPlan, model: LanguageModel, fingerprint: String,
    progress: ((_ source: String, _ done: Int, _ total: Int) throws -> Void)?
  ) throws {
    let sources = try settings.sources()
    let tokenizer = try model.tokenizer()
    let plan = CalibrationSet.Plan(
      windows: settings.calibrationWindows, length: settings.calibrationLength,
      fitnessWindows: max(1, settings.fitnessWindows / sources.count), fitnessLength: settings.fitnessLength)
    // Texts first: what is wrong with one shows before the slow sampling.
    let texts = try sources.map { try $0 == .model ? nil : Self.read($0, tokenizer, plan, seed: settings.seed) }
    let sets = try zip(sources, texts).map { source, text in
      let set =
        try text
        ?? CalibrationSet(sampledFrom: model, tokenizer: tokenizer, plan: plan, seed: settings.seed) {
          try progress?(source.name, $0, $1)
        }
      return StoredSet(
        name: source.name, source: source.url?.path ?? "self", sha256: try source.url.map(Self.sha256),
        calibrationLength: set.calibration.length, calibrationTokens: set.calibration.tokens,
        fitnessLength: set.fitness.length, fitnessTokens: set.fitness.tokens)
    }
    self.init(model: fingerprint, sets: sets)
  }

  private static func read(
    _ source: CalibrationSource, _ tokenizer: Tokenizer, _ plan: CalibrationSet.Plan, seed: UInt64
  ) throws -> CalibrationSet {
    let tokens = tokenizer.encode(try TextCorpus.read(source), addSpecialTokens: false)
    do {
      return try CalibrationSet(name: source.name, tokens: tokens, plan: plan, seed: seed)
    } catch CalibrationError.tooShort(let name, let tokens, let window, let needed) {
      throw CalibrationError.tooShort(
        source: source.url?.path ?? name, tokens: tokens, window: window, needed: needed)
    }
  }
}
