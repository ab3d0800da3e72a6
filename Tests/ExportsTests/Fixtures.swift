import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

@testable import Exports

/// The tiny checkpoints of `Tests/Fixtures/models`.
enum Fixtures {
  /// Families whose networks go into Llama's containers.
  static let names = ["llama-mha", "llama-linear", "llama3-gqa", "mistral-gqa", "qwen2-bias"]
  static let qwen3 = ["qwen3-tied", "qwen3-odd"]
  /// Families that are read otherwise than Llama, and whose networks go into its containers all the same.
  static let likeLlama = [
    "phi3-fused", "phi3-partial", "granite-tied", "granite-bias", "glm-partial", "chatglm-joined", "ministral-mixed",
  ]
  /// Families with classes and architectures of their own.
  static let own = ["gemma2-caps", "gemma3-local", "gemma3-scaled", "smollm3-still", "olmo2-norms", "glm4-norms"]
  static let experts = ["qwen3moe-six", "olmoe-five", "mixtral-four", "gptoss-sinks"]
  static let all = names + qwen3 + likeLlama + own + experts

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/models")

  static func parent(_ name: String, gguf: Bool = false) throws -> LanguageModel {
    let model = folder.appendingPathComponent(name)
    return try LanguageModel(gguf ? model.appendingPathComponent("\(name).gguf") : model)
  }

  /// The subnet that loses a KV group and a quarter of the channels of every layer, or other numbers in each layer.
  ///
  /// - Parameter keepingHeads: whether it loses channels only.
  static func subnet(
    of parent: LanguageModel, uniform: Bool, keepingHeads: Bool = false
  ) -> Subnet<LanguageModel> {
    let units = parent.configuration.layers.enumerated().map { index, shape in
      var kept = KeptUnits.all(of: shape)
      let hasExperts = parent.configuration.block.experts != nil
      if uniform, hasExperts {
        if shape.kvHeads > 1, !keepingHeads { kept.groups.remove(at: index % shape.kvHeads) }
        kept.channels.remove(at: index)
      } else if uniform {
        if shape.kvHeads > 1, !keepingHeads { kept.groups.remove(at: index % shape.kvHeads) }
        kept.channels.removeAll { $0 % 4 == index % 4 }
      } else if index > 0 {
        kept.groups = Array(kept.groups.suffix(max(1, shape.kvHeads - index)))
        kept.channels.removeAll { $0 % (index + 2) == 1 }
      }
      return kept
    }
    return Subnet(of: parent, keeping: units)
  }

  static let record: JSONValue = [
    "parent": ["name": "tiny"], "genome": [1, 2, 3], "measured": ["kl": 0.125, "perplexity": "12.5 (dense 10)"],
  ]
}

/// A network whose configuration or layers were tampered with.
struct EditedNetwork<Base: Network>: Network {
  let base: Base
  var configuration: ModelConfiguration
  var edit: @Sendable (_ index: Int, _ layer: inout LayerWeights) -> Void = { _, _ in }

  init(_ base: Base) {
    self.base = base
    configuration = base.configuration
  }

  var embedding: Matrix<Float> { base.embedding }
  var engine: any Engine { base.engine }
  var memory: MemoryPlan { base.memory }
  var finalNorm: [Float] { base.finalNorm }
  var head: Matrix<Float> { base.head }

  func layer(_ index: Int) throws -> LayerWeights {
    var weights = try base.layer(index)
    edit(index, &weights)
    return weights
  }
}

/// An empty folder that is removed with all it holds.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("exports-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Names of everything inside, hidden files too.
  var content: [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path).sorted()) ?? [] }
}

/// All logits of a token sequence, shape `[tokens, vocabulary]`.
func logits(_ network: some Network, _ tokens: [Int32]) throws -> Matrix<Float> {
  try OutputHead(network).logits(ForwardPass(TokenWindows([tokens])).hiddenStates(of: network))
}

func largestDifference(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Float {
  zip(a.elements, b.elements).map { abs($0 - $1) }.max() ?? .infinity
}
