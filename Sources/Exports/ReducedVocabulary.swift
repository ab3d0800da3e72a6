import Checkpoints
import LanguageModels
import LinearAlgebra
import Runtime
import Tokenizers

/// A vocabulary of fewer tokens for an export of a model.
public struct ReducedVocabulary: Sendable {
  public let kept: KeptTokens
  /// The tokenizer of the kept tokens.
  public let tokenizer: Tokenizer

  /// - Throws: `TokenizerError` where the model has no tokenizer, or one whose files cannot say the new ids.
  public init(of model: LanguageModel, keeping kept: KeptTokens) throws {
    self.kept = kept
    tokenizer = try model.tokenizer().keeping(kept)
  }
}

/// A network whose embedding and head have the rows of the kept tokens only.
public struct ReducedNetwork<Base: Network>: Network {
  public let base: Base
  public let configuration: ModelConfiguration
  public let embedding: Matrix<Float>
  public let head: Matrix<Float>

  public init(_ base: Base, _ kept: KeptTokens) {
    self.base = base
    // Tokens without a row stand behind those with one.
    let rows = kept.oldIds.map { Int($0) }.filter { $0 < base.configuration.vocabularySize }
    embedding = base.embedding.gatherRows(rows)
    head = base.configuration.tiedEmbeddings ? embedding : base.head.gatherRows(rows)
    configuration = base.configuration.keeping(kept)
  }

  public var engine: any Engine { base.engine }
  public var memory: MemoryPlan { base.memory }
  public var finalNorm: [Float] { base.finalNorm }
  public func layer(_ index: Int) throws -> LayerWeights { try base.layer(index) }
}

extension ModelConfiguration {
  /// The same with fewer tokens.
  public func keeping(_ kept: KeptTokens) -> ModelConfiguration {
    var reduced = self
    reduced.vocabularySize = kept.oldIds.count { Int($0) < vocabularySize }
    reduced.bosToken = bosToken.flatMap(kept.newId)
    reduced.eosTokens = eosTokens.compactMap(kept.newId)
    return reduced
  }
}

/// The token ids in a `generation_config.json`.
enum GenerationTokens {
  /// Members that name one token, or several of which each counts.
  private static let needed = [
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id",
    "forced_eos_token_id",
  ]
  /// Members that forbid tokens.
  private static let forbidden = ["suppress_tokens", "begin_suppress_tokens"]

  /// Tokens without which a generation could not begin or end.
  static func needed(by config: JSONValue) -> [Int32] {
    needed.flatMap { name -> [Int32] in
      let value = config[name] ?? .null
      return (value.array ?? [value]).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
    }
  }

  /// The same with the new ids. What is dropped need not be forbidden any more.
  static func mapped(_ config: JSONValue, _ kept: KeptTokens) -> JSONValue {
    guard var members = config.object else { return config }
    func newId(_ value: JSONValue) -> JSONValue? {
      guard let id = value.integer else { return value }
      return Int32(exactly: id).flatMap(kept.newId).map { .integer(Int($0)) }
    }
    for name in needed + forbidden {
      guard let value = members[name] else { continue }
      members[name] = value.array.map { .array($0.compactMap(newId)) } ?? newId(value) ?? .null
    }
    if let sequences = members["bad_words_ids"]?.array {
      let mapped = sequences.map { ($0.array ?? []).map(newId) }.filter { !$0.contains(nil) }
      members["bad_words_ids"] = .array(mapped.map { .array($0.compactMap { $0 }) })
    }
    return .object(members)
  }
}

extension LanguageModel {
  /// Tokens that the configuration and `generation_config.json` name.
  ///
  /// - Throws: `ExportError.invalidGenerationConfig` for one that is no object.
  public func namedTokens() throws -> [Int32] {
    let named = [configuration.bosToken].compactMap { $0 } + configuration.eosTokens
    return named + (try generationConfig().map(GenerationTokens.needed) ?? [])
  }
}
