import Foundation
import LanguageModels
import LinearAlgebra
import Subnets

@testable import Calibration

/// The checkpoints of `Tests/Fixtures/models`.
enum Fixture: String, CaseIterable, Sendable {
  case llamaMHA = "llama-mha"
  case llamaLinear = "llama-linear"
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

  func model() throws -> LanguageModel {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try LanguageModel(tests.appendingPathComponent("Fixtures/models/\(rawValue)"))
  }
}

/// `count` tokens that look random and are the same everywhere.
func someTokens(_ count: Int, below vocabulary: Int, seed: UInt64 = 1) -> [Int32] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Int32(random.next() % UInt64(vocabulary)) }
}

/// Statistics in memory, gathered like the ones on disk.
struct GatheredStatistics: Statistics {
  let name: String
  let tokens: Int
  var layers: [LayerStatistics]

  init(_ network: some Network, _ windows: TokenWindows, name: String) throws {
    self.name = name
    tokens = windows.tokens.count
    var layers: [LayerStatistics] = []
    try StatisticsPass.run(network, on: windows) { _, statistics in layers.append(statistics) }
    self.layers = layers
  }

  var layerCount: Int { layers.count }
  func layer(_ index: Int) -> LayerStatistics { layers[index] }
}

extension Matrix where Scalar == Float {
  /// A matrix of uniform numbers in -1 ..< 1.
  static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var random = SeededGenerator(seed: seed)
    return Matrix((0..<rows * columns).map { _ in Float(2 * random.unit() - 1) }, rows: rows, columns: columns)
  }
}

/// Largest absolute difference; infinite where shapes differ or a value is NaN.
func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
  guard a.rows == b.rows, a.columns == b.columns, a.count > 0 else { return .infinity }
  return zip(a.elements, b.elements).reduce(0) { worst, pair in
    let difference = abs(Double(pair.0) - Double(pair.1))
    return difference <= worst ? worst : difference.isNaN ? .infinity : difference
  }
}

extension LayerWeights {
  /// All numbers, for comparisons.
  var elements: [Float] {
    LayerPart.allCases.flatMap { self[$0].weight.elements + (self[$0].bias ?? []) + self[gain: $0] }
  }
}
