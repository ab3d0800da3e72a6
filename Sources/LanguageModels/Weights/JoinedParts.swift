import Checkpoints

extension TensorNames {
  /// The name of a tensor of several parts, and those of the parts.
  ///
  /// - Parameter kind: `weight` or `bias`.
  fileprivate func names(_ joined: String, _ parts: [LayerPart], _ kind: String, layer: Int) -> (String, [String]) {
    (
      inLayer(layer, "\(joined).\(kind)"),
      parts.map { kind == "weight" ? weight($0, layer: layer) : bias($0, layer: layer) }
    )
  }
}

extension ModelConfiguration {
  fileprivate func rows(of parts: [LayerPart], layer: Int) -> [Int] {
    parts.map { $0.dimensions(in: self, layers[layer])[0] }
  }
}

extension SeparatedCheckpoint {
  /// Separates the parts that the family joins, in all layers.
  ///
  /// - Throws: `CheckpointError.malformedTensor` where the rows do not fit the configuration.
  mutating func separate(_ configuration: ModelConfiguration, _ names: TensorNames) throws {
    for joined in configuration.family.joinedParts {
      guard let name = joined.huggingFace else { continue }
      for layer in configuration.layers.indices {
        let rows = configuration.rows(of: joined.parts, layer: layer)
        for kind in ["weight", "bias"] {
          let (whole, parts) = names.names(name, joined.parts, kind, layer: layer)
          if contains(whole) { try separate(whole, into: zip(parts, rows).map { (name: $0, rows: $1) }) }
        }
      }
    }
  }
}

extension GGUFFile {
  /// The parts whose rows llama.cpp reads from one tensor in the place of several, in any architecture.
  private static let queryKeyValue = JoinedParts([.query, .key, .value], gguf: "attn_qkv")

  /// The file as if joined parts were stored one by one in all layers. Where they are stored both ways, nothing changes.
  ///
  /// - Throws: `CheckpointError.malformedTensor` where the rows do not fit the configuration.
  func separatingProjections(_ configuration: ModelConfiguration) throws -> GGUFFile {
    let names = TensorNames.gguf(configuration.family)
    var file = self
    for joined in [Self.queryKeyValue] + configuration.family.joinedParts {
      guard let name = joined.gguf else { continue }
      for layer in configuration.layers.indices {
        let rows = configuration.rows(of: joined.parts, layer: layer)
        for kind in ["weight", "bias"] {
          let (whole, parts) = names.names(name, joined.parts, kind, layer: layer)
          if kind == "bias", joined.parts == Self.queryKeyValue.parts { try checkBiases(parts, layer: layer) }
          guard file.contains(whole), !parts.contains(where: { $0 != whole && file.contains($0) }) else { continue }
          file = try file.separating(whole, into: zip(parts, rows).map { (name: $0, rows: $1) })
        }
      }
    }
    return file
  }

  /// llama.cpp adds no bias to joined projections unless all three are stored.
  private func checkBiases(_ names: [String], layer: Int) throws {
    let stored = names.filter(contains)
    guard contains("blk.\(layer).attn_qkv.weight"), let first = stored.first, stored.count < names.count else { return }
    throw CheckpointError.malformedTensor(
      file: try tensor(first).file, tensor: first,
      problem: "llama.cpp heeds it only together with \(names.filter { $0 != first }.joined(separator: " and "))")
  }
}
