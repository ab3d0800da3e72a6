import Checkpoints
import Foundation
import LanguageModels

/// Where an export goes, and how it is written.
public struct ExportTarget {
  /// As it was given.
  public let path: String
  public let options: ExportOptions

  public init(_ path: String, _ options: ExportOptions) {
    self.path = path
    self.options = options
  }

  public var url: URL { URL(fileURLWithPath: path) }

  /// Bytes of the weights of so many parameters.
  public func bytes(parameters: Int) -> Int { parameters * (options.type == .f32 ? 4 : 2) }

  /// - Throws: `CheckpointError.unwritable` for a path that does not go with the format, or at which nothing can lie.
  func destination() throws -> Destination {
    let problem: String? =
      switch options.format {
      case .gguf where path.hasSuffix("/"): "a GGUF export is a file, and '\(path)' names a folder"
      case .huggingFace where url.pathExtension.lowercased() == "gguf":
        "a Hugging Face export is a folder, and '\(path)' names a GGUF file"
      default: nil
      }
    if let problem { throw CheckpointError.unwritable(path: url.standardizedFileURL.path, reason: problem) }
    return try Exporter.destination(url, options)
  }
}

extension Exporter {
  /// Whether subnets of a model can be written where and how they are wanted, for callers that want to know before long work.
  ///
  /// Every destination is tried: what it takes is made in its place and removed.
  ///
  /// - Parameters:
  ///   - inputs: what else is read, and never replaced.
  ///   - layersDiffer: whether the subnets may have layers of different widths, which not every family has a form for.
  /// - Throws: what `export` would throw before it writes anything, and where destinations meet each other or an input.
  public static func check(
    _ parent: LanguageModel, _ targets: [ExportTarget], inputs: [URL] = [], layersDiffer: Bool = false
  ) throws {
    let destinations = try targets.map { try $0.destination() }
    for (index, destination) in destinations.enumerated() {
      for other in destinations[..<index] { try destination.keepClear(of: other) }
      for input in [parent.location] + inputs { try destination.keepClear(of: input) }
      try destination.rehearse()
    }
    for format in Set(targets.map(\.options.format)) { try check(parent, format, layersDiffer: layersDiffer) }
  }

  /// Where an export goes; what is there is replaced if it is an export of ours and `options` say so.
  static func destination(_ url: URL, _ options: ExportOptions) throws -> Destination {
    try Destination(
      url, options.format == .gguf ? .file : .folder,
      replacing: options.replacing ? OwnExport.objection(options.format) : nil)
  }
}
