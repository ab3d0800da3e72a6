import Calibration
import Checkpoints
import Exports
import Foundation
import LanguageModels
import Runtime
import Tokenizers

/// Chooses the tokens of a model that stay.
struct VocabularyJob {
  private let request: VocabularyRequest
  private let model: LanguageModel
  private let tokenizer: Tokenizer
  private let needed: [Int32]

  /// - Throws: `PipelineError`, and `TokenizerError` for a model without a tokenizer.
  init(_ request: VocabularyRequest, of model: LanguageModel) throws {
    try request.validate()
    (self.request, self.model) = (request, model)
    tokenizer = try model.tokenizer()
    needed = try model.namedTokens()
  }

  /// - Throws: `CalibrationError` for texts that cannot be read, `TokenizerError` where more tokens have to stay.
  func run(_ monitor: Monitor) throws -> ChosenVocabulary {
    let texts = try read(request.texts)
    let kept = try kept(texts)
    let vocabulary = try ReducedVocabulary(of: model, keeping: kept)
    let trial: VocabularyOutcome.Trial?
    if request.heldOut.isEmpty {
      trial = try trialOfLastTenth(texts)
    } else {
      trial = Self.trial(try read(request.heldOut), "the held-out text", tokenizer, vocabulary.tokenizer)
    }
    return ChosenVocabulary(reduced: vocabulary, trial: trial, record: try record(kept))
  }

  private func read(_ sources: [CalibrationSource]) throws -> [String] { try sources.map(TextCorpus.read) }

  private func kept(_ texts: [String]) throws -> KeptTokens {
    var choice = TokenChoice(tokenizer, rows: model.configuration.vocabularySize, needed: needed)
    for text in texts { choice.count(tokenizer.encode(text, addSpecialTokens: false)) }
    return try choice.kept(atMost: request.limit)
  }

  /// Tries the tokens that the first nine tenths of the texts choose on the rest.
  private func trialOfLastTenth(_ texts: [String]) throws -> VocabularyOutcome.Trial? {
    let parts = texts.compactMap(Self.parts)
    if parts.isEmpty { return nil }
    let smaller = try tokenizer.keeping(kept(parts.map(\.first)))
    return Self.trial(
      parts.map(\.last), "the last tenth of the text, with the tokens that the rest chooses", tokenizer, smaller)
  }

  /// A text cut at the line break after nine tenths; nil if there is none, or nothing after it.
  private static func parts(_ text: String) -> (first: String, last: String)? {
    let bytes = text.utf8
    let tenth = bytes.index(bytes.startIndex, offsetBy: bytes.count / 10 * 9)
    guard let end = bytes[tenth...].firstIndex(of: UInt8(ascii: "\n")).map({ bytes.index(after: $0) }),
      end < bytes.endIndex
    else { return nil }
    return (String(text[..<end]), String(text[end...]))
  }

  private static func trial(
    _ texts: [String], _ name: String, _ parent: Tokenizer, _ smaller: Tokenizer
  ) -> VocabularyOutcome.Trial {
    func count(_ tokenizer: Tokenizer) -> Int {
      texts.reduce(0) { $0 + tokenizer.encode($1, addSpecialTokens: false).count }
    }
    return .init(text: name, parentTokens: count(parent), tokens: count(smaller))
  }

  private func record(_ kept: KeptTokens) throws -> [String: JSONValue] {
    [
      "keep_tokens": .optional(request.limit), "kept_sha256": .string(Self.hash(kept)),
      "texts": .array(
        try request.texts.map { source in
          let hash = try source.url.map { try CalibrationFile.sha256(of: $0) }
          return ["name": .string(source.name), "sha256": hash.map { .string($0) } ?? .null]
        }),
    ]
  }

  /// The hash of the old ids in the order of the new ones, 32 bits each, the lowest byte first.
  private static func hash(_ kept: KeptTokens) -> String {
    let hash = SHA256()
    kept.oldIds.map(\.littleEndian).withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal
  }
}

/// The tokens of a model that stay, and what they cost a text.
struct ChosenVocabulary {
  let reduced: ReducedVocabulary
  let trial: VocabularyOutcome.Trial?
  /// What records tell of the choice.
  fileprivate let record: [String: JSONValue]

  /// - Parameter network: the model, or a subnet of it, with all tokens.
  func outcome(for network: ModelConfiguration) -> VocabularyOutcome {
    let written = network.keeping(reduced.kept)
    let saved = 1 - Double(written.totalParameters) / Double(network.totalParameters)
    var record = record
    record["parent_tokens"] = .integer(network.vocabularySize)
    record["tokens"] = .integer(written.vocabularySize)
    record["saved_share"] = .number(saved)
    if let trial { record["held_out"] = trial.record }
    return VocabularyOutcome(
      parentTokens: network.vocabularySize, tokens: written.vocabularySize, savedShare: saved, trial: trial,
      record: .object(record))
  }
}

extension VocabularyRequest {
  /// - Returns: `nil` if all tokens stay.
  /// - Throws: the errors of `VocabularyJob`.
  func chosen(of model: LanguageModel, _ monitor: Monitor) throws -> ChosenVocabulary? {
    isEmpty ? nil : try VocabularyJob(self, of: model).run(monitor)
  }
}

extension ModelConfiguration {
  /// The configuration of what is written.
  func written(with vocabulary: ChosenVocabulary?) -> ModelConfiguration {
    vocabulary.map { keeping($0.reduced.kept) } ?? self
  }
}
