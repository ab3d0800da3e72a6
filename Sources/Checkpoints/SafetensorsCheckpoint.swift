import Foundation

/// The safetensors of a Hugging Face model folder: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` names.
public struct SafetensorsCheckpoint: Checkpoint {
  public static let singleFileName = "model.safetensors"
  public static let indexFileName = "model.safetensors.index.json"

  public let location: URL
  public let tensorNames: [String]
  /// The files, in the order of their names.
  public let files: [SafetensorsFile]
  public let tensors: [String: Tensor]

  /// Opens and checks every file. If both a single file and an index exist, the single file is read, as transformers
  /// does.
  /// - Throws: `CheckpointError`; in particular if the folder has neither, a shard is missing, the index names a tensor
  ///   that its shard does not have, or two shards have a tensor of the same name.
  public init(directory: URL) throws {
    location = directory
    let single = directory.appendingPathComponent(Self.singleFileName)
    let index = directory.appendingPathComponent(Self.indexFileName)
    if FileManager.default.fileExists(atPath: single.path) {
      let file = try SafetensorsFile(single)
      files = [file]
      (tensorNames, tensors) = (file.tensorNames, file.tensors)
      return
    }
    guard FileManager.default.fileExists(atPath: index.path) else {
      throw CheckpointError.unreadable(
        path: directory.path, reason: "it has neither \(Self.singleFileName) nor \(Self.indexFileName)")
    }
    let shardOfTensor = try Self.readIndex(index)
    var files: [SafetensorsFile] = []
    var tensors: [String: Tensor] = [:]
    for shard in Set(shardOfTensor.values).sorted() {
      let url = directory.appendingPathComponent(shard)
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw CheckpointError.malformed(
          file: index.path, problem: "it names the shard '\(shard)', which is not in the folder")
      }
      let file = try SafetensorsFile(url)
      for name in file.tensorNames {
        if let other = tensors.updateValue(try file.tensor(name), forKey: name) {
          throw CheckpointError.malformedTensor(
            file: url.path, tensor: name, problem: "it is also in the shard '\(other.shard)'")
        }
      }
      files.append(file)
    }
    for (name, shard) in shardOfTensor.sorted(by: { $0.key < $1.key })
    where tensors[name]?.shard != shard {
      throw CheckpointError.malformedTensor(
        file: index.path, tensor: name, problem: "it should be in the shard '\(shard)', but is not")
    }
    self.files = files
    self.tensors = tensors
    tensorNames = files.flatMap(\.tensorNames)
  }

  /// The shard of each tensor, from the index's `weight_map`.
  private static func readIndex(_ url: URL) throws -> [String: String] {
    let json = try JSONValue.read(url)
    guard let map = json["weight_map"] else {
      throw CheckpointError.missingKey(file: url.path, key: "weight_map")
    }
    let shards = try map.strings(file: url.path, key: "weight_map", each: "a file name")
    for (tensor, shard) in shards {
      // A name, not a path: an index must not reach outside its folder.
      guard !shard.isEmpty, !shard.contains("/"), !shard.utf8.contains(0), shard != "..", shard != "." else {
        throw CheckpointError.malformedTensor(
          file: url.path, tensor: tensor, problem: "its shard '\(shard)' is not a file name")
      }
    }
    return shards
  }
}

extension Tensor {
  /// The name of its file in the folder.
  fileprivate var shard: String { owner.url.lastPathComponent }
}
