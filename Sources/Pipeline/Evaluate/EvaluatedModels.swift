import LanguageModels
import Runtime

/// A model that is measured, and perhaps a dense one beside it, each opened once for all that is measured.
public final class EvaluatedModels {
  private let source: OpenedSource
  /// Its vocabulary may be another.
  let dense: LanguageModel?

  /// - Parameter dense: folder or file of the dense model.
  /// - Throws: whatever is wrong with the model, its study, or the dense model.
  public init(_ source: ModelSource, dense: String?, in context: JobContext, _ monitor: Monitor = .silent) throws {
    self.source = try source.opened(in: context, monitor)
    self.dense = try dense.map(context.model)
  }

  /// The model, or the parent of a study's point: what it reads is the same.
  var base: LanguageModel { source.base }

  /// Which point of a study the model is; `nil` for a checkpoint.
  public var point: PointIdentity? { source.identity }

  /// What the model is as files; `nil` for a point, which is none yet.
  public func checkpoint() throws -> MeasuredCheckpoint? { point == nil ? try MeasuredCheckpoint(base) : nil }

  /// Fingerprint of the dense model; `nil` if there is none.
  public func denseFingerprint() throws -> String? { try dense?.fingerprint() }

  /// SHA-256 of the texts that the model was calibrated on, as far as it says.
  var calibrationHashes: [String] { source.calibrationHashes }

  /// - Parameter monitor: hears of the repair of a point, if it has no weights yet.
  func model(_ monitor: Monitor) throws -> LanguageModel { try source.network(monitor) }

  /// - Throws: `PipelineError.invalidOption` for vocabularies of different sizes.
  func checkVocabularies() throws {
    let (own, other) = (base.configuration, (dense ?? base).configuration)
    try PipelineError.require(
      own.vocabularySize == other.vocabularySize,
      "--dense has a vocabulary of \(other.vocabularySize), the model one of \(own.vocabularySize)")
  }
}
