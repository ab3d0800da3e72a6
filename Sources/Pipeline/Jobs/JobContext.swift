import Checkpoints
import Exports
import Foundation
import LanguageModels
import Runtime

/// What every job has beside its request: where it may keep things, and who it says it is.
public struct JobContext: Sendable {
  /// Folder for calibration statistics and gradients.
  public let cache: URL
  public let memory: MemoryPlan
  /// Version of the program, for the records of exports and studies.
  public let toolVersion: String

  public init(cache: URL, memory: MemoryPlan, toolVersion: String) {
    self.cache = cache
    self.memory = memory
    self.toolVersion = toolVersion
  }

  /// Whether the cache can be written, and has room for statistics together with what else will be written.
  ///
  /// A folder that holds something of this model is left alone: perhaps nothing needs to be added, also where nothing can be.
  /// - Parameters:
  ///   - fingerprint: of the model.
  ///   - bytes: what statistics and gradients will take.
  /// - Throws: `CheckpointError.unwritable`.
  func checkCache(_ fingerprint: String, bytes: Int, beside others: [DiskSpace.Need] = []) throws {
    let known = (try? FileManager.default.contentsOfDirectory(atPath: cache.path)) ?? []
    if known.contains(where: { $0.hasPrefix(fingerprint + "-") }) { return try DiskSpace.check(others) }
    try Destination.rehearseFolder(cache)
    try DiskSpace.check([(place: cache, bytes: bytes, what: "statistics")] + others)
  }

  func model(_ path: String) throws -> LanguageModel {
    try LanguageModel(URL(fileURLWithPath: path), memory: memory)
  }

  /// Opens the model at a path, of which a checkpoint is to be made, looks at whether that can be written, and chooses
  /// its tokens.
  ///
  /// - Parameters:
  ///   - inputs: what else is read, and never replaced.
  ///   - layersDiffer: whether the layers of the checkpoint may have different widths.
  ///   - addsOutputBiases: whether biases are added to its output projections.
  func model(
    _ path: String, for output: CheckpointOutput, _ vocabulary: VocabularyRequest = .whole, inputs: [URL] = [],
    layersDiffer: Bool = false, addsOutputBiases: Bool = false, _ monitor: Monitor
  ) throws -> OpenedModel {
    try vocabulary.validate()
    let (model, target) = (try model(path), output.target(monitor))
    try Exporter.check(
      model, [target], inputs: inputs + vocabulary.files, layersDiffer: layersDiffer, addsOutputBiases: addsOutputBiases
    )
    let chosen = try vocabulary.chosen(of: model, monitor)
    return OpenedModel(model: model, target: target, vocabulary: chosen)
  }
}

/// A model of which a checkpoint is to be made.
struct OpenedModel {
  let model: LanguageModel
  let target: ExportTarget
  /// `nil` where all tokens stay.
  let vocabulary: ChosenVocabulary?
}

/// Something that may spoil a result.
public struct JobWarning: Monitor.Event {
  public let text: String
}

/// What a job's work will take.
public struct WorkEstimated: Monitor.Event {
  public let estimate: WorkEstimate
  /// Folder for statistics.
  public let cache: URL
}
