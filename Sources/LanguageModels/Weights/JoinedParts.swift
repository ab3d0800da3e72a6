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

extension Family {
  fileprivate func joins(_ part: LayerPart) -> Bool { joinedParts.contains { $0.parts.contains(part) } }
}

extension Checkpoint {
  /// - Throws: `CheckpointError.missingTensor` for the joined tensor if there is neither it nor any of its parts.
  fileprivate func requireEither(_ whole: String, _ parts: [String], _ rows: [Int]) throws {
    if rows.contains(where: { $0 > 0 }), !parts.contains(where: contains) { _ = try tensor(whole) }
  }
}

extension Tensor {
  /// Checks the columns of rows of a joined tensor, under its own name.
  ///
  /// - Parameter rows: of the joined tensor.
  fileprivate func checkColumns(_ columns: Int, rows: Int) throws {
    guard shape.count == 2, shape[1] != columns else { return }
    throw ModelError.wrongShape(file: file, tensor: storedName, found: [rows, shape[1]], expected: [rows, columns])
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
    for joined in names.joinedParts {
      guard let name = joined.huggingFace else { continue }
      for layer in configuration.layers.indices {
        let rows = configuration.rows(of: joined.parts, layer: layer)
        for kind in ["weight", "bias"] {
          let (whole, parts) = names.names(name, joined.parts, kind, layer: layer)
          if kind == "weight" { try requireEither(whole, parts, rows) }
          guard contains(whole) else { continue }
          try separate(whole, into: zip(parts, rows).map { (name: $0, rows: $1) })
          if kind == "weight", let first = parts.first {
            try tensor(first).checkColumns(configuration.hiddenSize, rows: rows.reduce(0, +))
          }
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
          if kind == "weight", joined.parts != Self.queryKeyValue.parts || configuration.family.joins(.query) {
            try file.requireEither(whole, parts, rows)
          }
          guard file.contains(whole), !parts.contains(where: { $0 != whole && file.contains($0) }) else { continue }
          file = try file.separating(whole, into: zip(parts, rows).map { (name: $0, rows: $1) })
          if kind == "weight", let first = parts.first {
            try file.tensor(first).checkColumns(configuration.hiddenSize, rows: rows.reduce(0, +))
          }
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
