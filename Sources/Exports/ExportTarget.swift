import Checkpoints
import Foundation
import LanguageModels

/// The place and the options of an export.
public struct ExportTarget {
  /// The path as it was given.
  public let path: String
  public var options: ExportOptions

  public init(_ path: String, _ options: ExportOptions) {
    self.path = path
    self.options = options
  }

  public var url: URL { URL(fileURLWithPath: path) }

  /// Bytes of the weights of so many parameters.
  public func bytes(parameters: Int) -> Int { options.type.bytes(of: parameters) }

  /// - Throws: `CheckpointError.unwritable` for a path that does not fit the format, or at which nothing can be made.
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
  /// Checks before long work that subnets of a model can be written at these places and with these options.
  ///
  /// Every destination is tried: the needed files and folders are made in its place and removed.
  ///
  /// - Parameters:
  ///   - inputs: other places that are read, and never replaced.
  ///   - layersDiffer: whether the subnets may have layers of different widths, which not every family has a form for.
  ///   - addsOutputBiases: whether their repair adds biases to the output projections, likewise.
  /// - Throws: the errors of `export` before it writes anything, and errors for destinations that collide with each
  ///   other or with an input.
  public static func check(
    _ parent: LanguageModel, _ targets: [ExportTarget], inputs: [URL] = [], layersDiffer: Bool = false,
    addsOutputBiases: Bool = false
  ) throws {
    let destinations = try targets.map { try $0.destination() }
    for (index, destination) in destinations.enumerated() {
      for other in destinations[..<index] { try destination.keepClear(of: other) }
      for input in [parent.location] + inputs { try destination.keepClear(of: input) }
      try destination.rehearse()
    }
    for target in targets { try target.options.type.check(in: target.options.format) }
    for format in Set(targets.map(\.options.format)) {
      try check(parent, format, layersDiffer: layersDiffer, addsOutputBiases: addsOutputBiases)
    }
  }

  /// The place of an export. An earlier export of ours is replaced if `options` allow it.
  static func destination(_ url: URL, _ options: ExportOptions) throws -> Destination {
    try Destination(
      url, options.format == .gguf ? .file : .folder,
      replacing: options.replacing ? OwnExport.objection(options.format) : nil)
  }
}
