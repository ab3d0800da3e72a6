import Foundation

/// Writes safetensors files tensor by tensor, so that no more than one tensor (or one piece of it) is in memory.
public enum SafetensorsWriter {
  /// Writes one file, atomically.
  ///
  /// - Parameters:
  ///   - tensors: tensors to write. In the file, as in those of the reference writer, tensors of wider types come
  ///     first,
  ///     so that all are aligned; otherwise the order is kept. `supply` is called in the order of the file.
  ///   - metadata: the header's `__metadata__`. transformers refuses files without `format`.
  /// - Throws: `CheckpointError.unwritable`, `.invalidPlan`, `.overflow`, and what `supply` throws.
  public static func write(
    _ tensors: [TensorPlan], to url: URL, metadata: [String: String] = ["format": "pt"], supply: TensorSupply
  ) throws {
    let plans = try check(tensors, url)
    try send(plans, url, metadata, supply).commit()
  }

  /// Writes `model.safetensors` into a folder, or, if the values exceed `maximumShardBytes`, shards of at most that
  /// size (a larger tensor has a shard of its own) and their `model.safetensors.index.json`.
  ///
  /// Files get their names only when all have been written.
  /// - Returns: the names of the files.
  /// - Throws: as for one file.
  @discardableResult
  public static func write(
    _ tensors: [TensorPlan], toDirectory directory: URL, maximumShardBytes: Int = 5_000_000_000,
    metadata: [String: String] = ["format": "pt"], supply: TensorSupply
  ) throws -> [String] {
    let plans = try check(tensors, directory)
    let shards = split(plans, maximumBytes: maximumShardBytes)
    guard shards.count > 1 else {
      let name = SafetensorsCheckpoint.singleFileName
      try send(plans, directory.appendingPathComponent(name), metadata, supply).commit()
      return [name]
    }
    let names = (1...shards.count).map { String(format: "model-%05d-of-%05d.safetensors", $0, shards.count) }
    var weightMap: [String: JSONValue] = [:]
    var outputs: [FileOutput] = []
    for (name, shard) in zip(names, shards) {
      outputs.append(try send(shard, directory.appendingPathComponent(name), metadata, supply))
      for item in shard { weightMap[item.plan.name] = .string(name) }
    }
    let total = plans.reduce(0) { $0 + $1.byteCount }
    let index: JSONValue = ["metadata": ["total_size": .integer(total)], "weight_map": .object(weightMap)]
    let indexOutput = try FileOutput(
      replacing: directory.appendingPathComponent(SafetensorsCheckpoint.indexFileName))
    try indexOutput.write(index.text() + "\n")
    try indexOutput.finish()
    for output in outputs { try output.commit() }
    try indexOutput.commit()
    return names + [SafetensorsCheckpoint.indexFileName]
  }

  private static func check(_ tensors: [TensorPlan], _ url: URL) throws -> [CheckedPlan] {
    guard !tensors.contains(where: { $0.name == "__metadata__" }) else {
      throw CheckpointError.invalidPlan(file: url.path, problem: "no tensor may be called '__metadata__'")
    }
    return try CheckedPlan.check(tensors, file: url.path)
  }

  /// A new shard begins if the next tensor would exceed the limit.
  private static func split(_ plans: [CheckedPlan], maximumBytes: Int) -> [[CheckedPlan]] {
    var shards: [[CheckedPlan]] = []
    var room = 0
    for plan in plans {
      if shards.isEmpty || plan.byteCount > room {
        shards.append([])
        room = maximumBytes
      }
      shards[shards.count - 1].append(plan)
      room -= plan.byteCount
    }
    return shards
  }

  /// Bytes that tensors take in files: their descriptions to within a few, and their values.
  public static func bytes(of tensors: [TensorPlan]) -> Int {
    tensors.reduce(8) { sum, plan in
      guard case .success(let size) = plan.type.size(of: plan.shape) else { return sum }
      return sum + size.bytes + plan.name.utf8.count + 80
    }
  }

  /// Writes one whole file under its temporary name.
  private static func send(
    _ plans: [CheckedPlan], _ url: URL, _ metadata: [String: String], _ supply: TensorSupply
  ) throws -> FileOutput {
    let wide = plans.filter { $0.plan.type == .f32 }
    let ordered = wide + plans.filter { $0.plan.type != .f32 }
    var header: [String: JSONValue] = ["__metadata__": .object(metadata.mapValues(JSONValue.string))]
    var end = 0
    for item in ordered {
      let begin = end
      end += item.byteCount
      header[item.plan.name] = [
        "dtype": .string(item.plan.type.name),
        "shape": .array(item.plan.shape.map(JSONValue.integer)),
        "data_offsets": [.integer(begin), .integer(end)],
      ]
    }
    var text = JSONValue.object(header).text(indented: false)
    text += String(repeating: " ", count: (8 - text.utf8.count % 8) % 8)
    guard text.utf8.count <= SafetensorsFile.maximumHeaderBytes else {
      throw CheckpointError.invalidPlan(
        file: url.path,
        problem: "the header takes \(text.utf8.count) bytes, more than \(SafetensorsFile.maximumHeaderBytes)")
    }

    let output = try FileOutput(replacing: url)
    try output.write(UInt64(text.utf8.count))
    try output.write(text)
    for item in ordered { try item.write(to: output, supply) }
    try output.finish()
    return output
  }
}
