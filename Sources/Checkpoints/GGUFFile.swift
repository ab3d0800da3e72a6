import Foundation

/// A model in GGUF: one file, or all parts of a split model, read as one.
public struct GGUFFile: Checkpoint, GGUFMetadata {
  public static let magic: UInt32 = 0x4655_4747  // "GGUF", little endian
  public static let defaultAlignment = 32

  /// The file that was asked for; of a split model this is any part.
  public let location: URL
  public private(set) var tensorNames: [String]
  public private(set) var tensors: [String: Tensor]
  /// Holds the metadata: the file, or the first part of a split model.
  private let first: GGUFPart

  /// Maps the file, and all other parts if it is one of a split model, and checks their headers in full.
  /// - Throws: `CheckpointError.unreadable`, `.malformed`, `.malformedTensor`, `.unsupportedType`, and `.missingKey`
  ///   and `.wrongType` for keys that a part must have about the split.
  public init(_ url: URL) throws {
    let opened: GGUFPart
    do {
      opened = try GGUFPart(url)
    } catch let error as CheckpointError {
      throw UnfinishedFile.explain(error, url)
    }
    let parts = try GGUFSplit.parts(with: opened)
    var tensors: [String: Tensor] = [:]
    for tensor in parts.flatMap(\.tensors) {
      if let other = tensors.updateValue(tensor, forKey: tensor.name) {
        throw CheckpointError.malformedTensor(
          file: tensor.file, tensor: tensor.name, problem: "it is stored in \(other.file), too")
      }
    }
    location = url
    first = parts[0]
    tensorNames = parts.flatMap(\.tensors).map(\.name)
    self.tensors = tensors
  }

  /// 2 or 3.
  public var version: Int { first.version }
  /// In the order of the file.
  public var keys: [String] { first.keys }
  public var metadata: [String: GGUFValue] { first.metadata }
  public var metadataFile: String { first.metadataFile }

  /// The model's name: that of the file, without its suffix and without the number of a part.
  public var name: String {
    let name = location.deletingPathExtension().lastPathComponent
    return GGUFSplit.prefix(of: location.lastPathComponent) ?? name
  }

  /// The file with one tensor replaced by its rows under several names, as if they were stored one by one.
  ///
  /// - Parameter parts: names and numbers of rows, in the order of the rows; the rows of a vector are its elements.
  /// - Throws: `CheckpointError.missingTensor`, and `.malformedTensor` if the tensor has another number of rows.
  public func separating(_ name: String, into parts: [(name: String, rows: Int)]) throws -> GGUFFile {
    let separated = try rows(of: name, into: parts)
    var result = self
    result.tensorNames = tensorNames.flatMap { $0 == name ? parts.map(\.name) : [$0] }
    result.tensors[name] = nil
    for part in separated { result.tensors[part.name] = part }
    return result
  }
}
