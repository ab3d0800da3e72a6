import Checkpoints
import Foundation

@testable import LanguageModels

/// A tiny Llama of two layers as a GGUF file, which a test may change in any detail.
struct TinyGGUF {
  private let tiny: TinyModel

  static let layers = [
    LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 16),
  ]

  init(_ tiny: TinyModel = TinyModel(layers: Self.layers)) { self.tiny = tiny }

  private var metadata: [String: GGUFValue] {
    [
      "general.architecture": .string("llama"), "llama.block_count": .uint32(2), "llama.context_length": .uint32(512),
      "llama.embedding_length": .uint32(16), "llama.feed_forward_length": .array(.uint32([24, 16])),
      "llama.attention.head_count": .array(.uint32([4, 2])), "llama.attention.head_count_kv": .array(.uint32([2, 1])),
      "llama.attention.key_length": .uint32(4), "llama.attention.layer_norm_rms_epsilon": .float32(1e-5),
      "llama.rope.freq_base": .float32(100),
    ]
  }

  /// - Parameters:
  ///   - changes: keys with other values; nil removes one.
  ///   - extra: tensors beside the model's, vectors.
  ///   - without: tensors that are left out.
  func write(
    to place: URL, _ changes: [String: GGUFValue?] = [:], extra: [String: [Float]] = [:], without: Set<String> = []
  ) throws {
    var metadata = metadata
    for (key, value) in changes { metadata[key] = value }
    var tensors = tensors.filter { !without.contains($0.plan.name) }
    for (name, values) in extra.sorted(by: { $0.key < $1.key }) {
      tensors.append((TensorPlan(name: name, type: .f32, shape: [values.count]), values))
    }
    try GGUFWriter.write(
      metadata: metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, tensors: tensors.map(\.plan), to: place
    ) { plan, write in
      let values = tensors.first { $0.plan.name == plan.name }?.values ?? []
      try values.withUnsafeBufferPointer { try write($0) }
    }
  }

  private var tensors: [(plan: TensorPlan, values: [Float])] {
    let (names, originals) = (TensorNames.gguf(.llama), TensorNames.huggingFace(.llama))
    var tensors: [(plan: TensorPlan, values: [Float])] = []
    func add(_ name: String, _ original: String, interleaved: Bool = false) {
      guard let tensor = tiny.tensors[original] else { return }
      var values = tensor.values
      if interleaved {
        let width = tensor.shape[1]
        values = RotaryRows(headDimension: 4, interleaved: true).inFile(rows: tensor.shape[0]).flatMap {
          tensor.values[$0 * width..<($0 + 1) * width]
        }
      }
      tensors.append((TensorPlan(name: name, type: .f32, shape: tensor.shape), values))
    }
    add(names.embedding, originals.embedding)
    add(names.head, originals.head)
    add(names.finalNorm, originals.finalNorm)
    for layer in Self.layers.indices {
      for part in LayerPart.allCases {
        add(
          names.weight(part, layer: layer), originals.weight(part, layer: layer),
          interleaved: part == .query || part == .key)
      }
    }
    return tensors
  }
}
