import Checkpoints
import Exports
import Foundation
import Runtime

/// Where a job writes a checkpoint, and as what.
public struct CheckpointOutput: Codable, Equatable, Sendable {
  public static let standardType = WeightType.f16

  /// As it was given.
  public var path: String
  public var format: ExportFormat
  public var type: WeightType
  /// Whether an earlier export there may be replaced.
  public var isReplacing: Bool

  /// - Parameter format: `nil` for the one that the path looks like.
  public init(_ path: String, format: ExportFormat?, type: WeightType = standardType, isReplacing: Bool = false) {
    self.path = path
    self.format =
      format ?? (URL(fileURLWithPath: path).pathExtension.lowercased() == "gguf" ? .gguf : .huggingFace)
    self.type = type
    self.isReplacing = isReplacing
  }

  public func target(_ monitor: Monitor) -> ExportTarget {
    ExportTarget(
      path, ExportOptions(format: format, type: type, replacing: isReplacing, monitor: monitor))
  }
}

extension ExportTarget {
  /// The same with fewer tokens.
  func keeping(_ vocabulary: ChosenVocabulary?) -> ExportTarget {
    var target = self
    target.options.vocabulary = vocabulary?.reduced
    return target
  }

  /// What an export of so many parameters takes.
  func need(parameters: Int) -> DiskSpace.Need {
    (place: url, bytes: bytes(parameters: parameters), what: "the export")
  }
}
