import Foundation

/// Named tensors in one or several files of any format.
public protocol Checkpoint: Sendable {
  /// The file or folder that was opened.
  var location: URL { get }
  /// Tensors in the order in which their values lie in the files.
  var tensorNames: [String] { get }
  var tensors: [String: Tensor] { get }
}

extension Checkpoint {
  public func contains(_ name: String) -> Bool { tensors[name] != nil }

  /// - Throws: `CheckpointError.missingTensor`, which lists the most similar names.
  public func tensor(_ name: String) throws -> Tensor {
    if let tensor = tensors[name] { return tensor }
    throw CheckpointError.missingTensor(
      file: location.path, tensor: name, near: SimilarNames.to(name, in: tensorNames))
  }
}
