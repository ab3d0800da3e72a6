import Checkpoints

extension GGUFFile {
  /// The tensor that holds the rows of query, key and value in this order, which llama.cpp reads in the place of the three.
  /// - Parameter kind: `weight` or `bias`.
  public static func joinedProjections(_ kind: String, layer: Int) -> String { "blk.\(layer).attn_qkv.\(kind)" }

  /// The file as if query, key and value were stored one by one in all layers. Where they are stored both ways, nothing changes.
  /// - Throws: `CheckpointError.malformedTensor` where the rows do not fit the configuration.
  func separatingProjections(_ configuration: ModelConfiguration) throws -> GGUFFile {
    let names = TensorNames.gguf(configuration.family)
    var file = self
    for (index, shape) in configuration.layers.enumerated() {
      let parts = [LayerPart.query, .key, .value]
      let rows = parts.map { $0.dimensions(in: configuration, shape)[0] }
      for (kind, named) in [("weight", names.weight), ("bias", names.bias)] {
        let joined = Self.joinedProjections(kind, layer: index)
        let separate = parts.map { named($0, index) }
        if kind == "bias" { try checkBiases(separate, layer: index) }
        guard file.contains(joined), !separate.contains(where: file.contains) else { continue }
        file = try file.separating(joined, into: zip(separate, rows).map { (name: $0, rows: $1) })
      }
    }
    return file
  }

  /// llama.cpp adds no bias to joined projections unless all three are stored.
  private func checkBiases(_ names: [String], layer: Int) throws {
    let stored = names.filter(contains)
    guard contains(Self.joinedProjections("weight", layer: layer)), let first = stored.first, stored.count < names.count
    else { return }
    throw CheckpointError.malformedTensor(
      file: try tensor(first).file, tensor: first,
      problem: "llama.cpp heeds it only together with \(names.filter { $0 != first }.joined(separator: " and "))")
  }
}
