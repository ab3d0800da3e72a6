import Checkpoints

extension GGUFFile {
  /// The tensor that holds the rows of query, key and value in this order, which llama.cpp reads in the place of the three.
  /// - Parameter kind: `weight` or `bias`.
  static func joinedProjections(_ kind: String, layer: Int) -> String { "blk.\(layer).attn_qkv.\(kind)" }

  /// The file as if query, key and value were stored one by one in all layers. Where they are stored both ways, nothing changes.
  /// - Throws: `CheckpointError.malformedTensor` where the rows do not fit the configuration.
  func separatingProjections(_ configuration: ModelConfiguration) throws -> GGUFFile {
    let names = TensorNames.gguf
    var file = self
    for (index, shape) in configuration.layers.enumerated() {
      for (kind, name) in [("weight", names.weight), ("bias", names.bias)] {
        let joined = Self.joinedProjections(kind, layer: index)
        let parts = [LayerPart.query, .key, .value].map {
          (name: name($0, index), rows: $0.dimensions(in: configuration, shape)[0])
        }
        guard file.contains(joined), !parts.contains(where: { file.contains($0.name) }) else { continue }
        file = try file.separating(joined, into: parts)
      }
    }
    return file
  }
}
