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
  private let fileOfTensor: [String: Int]

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
      tensorNames = file.tensorNames
      fileOfTensor = Dictionary(file.tensorNames.map { ($0, 0) }, uniquingKeysWith: { first, _ in first })
      return
    }
    guard FileManager.default.fileExists(atPath: index.path) else {
      throw CheckpointError.unreadable(
        path: directory.path, reason: "it has neither \(Self.singleFileName) nor \(Self.indexFileName)")
    }
    let shardOfTensor = try Self.readIndex(index)
    let shards = Set(shardOfTensor.values).sorted()
    var files: [SafetensorsFile] = []
    var fileOfTensor: [String: Int] = [:]
    for (number, shard) in shards.enumerated() {
      let url = directory.appendingPathComponent(shard)
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw CheckpointError.malformed(
          file: index.path, problem: "it names the shard '\(shard)', which is not in the folder")
      }
      let file = try SafetensorsFile(url)
      for name in file.tensorNames {
        if let other = fileOfTensor.updateValue(number, forKey: name) {
          throw CheckpointError.malformedTensor(
            file: url.path, tensor: name, problem: "it is also in the shard '\(shards[other])'")
        }
      }
      files.append(file)
    }
    for (name, shard) in shardOfTensor.sorted(by: { $0.key < $1.key })
    where fileOfTensor[name].map({ shards[$0] }) != shard {
      throw CheckpointError.malformedTensor(
        file: index.path, tensor: name, problem: "it should be in the shard '\(shard)', but is not")
    }
    self.files = files
    self.fileOfTensor = fileOfTensor
    tensorNames = files.flatMap(\.tensorNames)
  }

  /// The shard of each tensor, from the index's `weight_map`.
  private static func readIndex(_ url: URL) throws -> [String: String] {
    let json = try JSONValue.read(url)
    guard let map = json["weight_map"] else {
      throw CheckpointError.missingKey(file: url.path, key: "weight_map")
    }
    guard let members = map.object else {
      throw CheckpointError.wrongType(
        file: url.path, key: "weight_map", expected: "an object of strings", found: map.summary)
    }
    return try members.reduce(into: [:]) { result, member in
      guard let shard = member.value.string else {
        throw CheckpointError.wrongType(
          file: url.path, key: "weight_map.\(member.key)", expected: "a file name", found: member.value.summary)
      }
      // A name, not a path: an index must not reach outside its folder.
      guard !shard.isEmpty, !shard.contains("/"), !shard.utf8.contains(0), shard != "..", shard != "." else {
        throw CheckpointError.malformedTensor(
          file: url.path, tensor: member.key, problem: "its shard '\(shard)' is not a file name")
      }
      result[member.key] = shard
    }
  }

  public func contains(_ name: String) -> Bool { fileOfTensor[name] != nil }

  public func tensor(_ name: String) throws -> Tensor {
    guard let file = fileOfTensor[name] else { throw missing(name) }
    return try files[file].tensor(name)
  }
}
