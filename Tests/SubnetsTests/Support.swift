import Foundation
import LanguageModels
import LinearAlgebra
import Runtime

@testable import Subnets

/// The checkpoints of `Tests/Fixtures/models`.
enum Fixture: String, CaseIterable, Sendable {
  case llamaMHA = "llama-mha"
  case llamaLinear = "llama-linear"
  case llama3GQA = "llama3-gqa"
  case mistralGQA = "mistral-gqa"
  case qwen2Bias = "qwen2-bias"
  case qwen3Odd = "qwen3-odd"
  case gemma2Caps = "gemma2-caps"
  case gemma3Local = "gemma3-local"
  case gemma3Scaled = "gemma3-scaled"
  case phi3Partial = "phi3-partial"
  case graniteTied = "granite-tied"
  case ministralMixed = "ministral-mixed"
  case smollm3Still = "smollm3-still"
  case olmo2Norms = "olmo2-norms"
  case glmPartial = "glm-partial"
  case glm4Norms = "glm4-norms"
  case qwen3moeSix = "qwen3moe-six"
  case olmoeFive = "olmoe-five"
  case mixtralFour = "mixtral-four"
  case gptossSinks = "gptoss-sinks"

  static var repository: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  }

  func model() throws -> LanguageModel {
    try LanguageModel(Self.repository.appendingPathComponent("Tests/Fixtures/models/\(rawValue)"))
  }
}

/// `count` tokens that look random and are the same everywhere.
func someTokens(_ count: Int, below vocabulary: Int, seed: UInt64 = 1) -> [Int32] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Int32(random.next() % UInt64(vocabulary)) }
}

/// Largest absolute difference; infinite where shapes differ or a value is NaN.
func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
  guard a.rows == b.rows, a.columns == b.columns, a.count > 0 else { return .infinity }
  return zip(a.elements, b.elements).reduce(0) { worst, pair in
    let difference = abs(Double(pair.0) - Double(pair.1))
    return difference <= worst ? worst : difference.isNaN ? .infinity : difference
  }
}

extension Network {
  /// All logits of one sequence, shape `[tokens, vocabulary]`.
  func logits(_ tokens: [Int32]) throws -> Matrix<Float> {
    try OutputHead(self).logits(ForwardPass(TokenWindows([tokens])).hiddenStates(of: self))
  }
}

/// A network whose layers are made by a closure, with another's embedding, head and final norm.
struct Altered: Network {
  let whole: LanguageModel
  let alter: @Sendable (Int, inout LayerWeights) -> Void

  var configuration: ModelConfiguration { whole.configuration }
  var embedding: Matrix<Float> { whole.embedding }
  var engine: any Engine { whole.engine }
  var memory: MemoryPlan { whole.memory }
  var finalNorm: [Float] { whole.finalNorm }
  var head: Matrix<Float> { whole.head }

  func layer(_ index: Int) throws -> LayerWeights {
    var weights = try whole.layer(index)
    alter(index, &weights)
    return weights
  }
}
