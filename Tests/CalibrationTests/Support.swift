import Foundation
import LanguageModels
import LinearAlgebra
import Runtime

@testable import Calibration

/// The checkpoints of `Tests/Fixtures/models`, and the texts beside them.
enum Fixture: String, CaseIterable, Sendable {
  case llamaMHA = "llama-mha"
  case llamaLinear = "llama-linear"
  case llama3GQA = "llama3-gqa"
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

  static var root: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures")
  }

  var folder: URL { Self.root.appendingPathComponent("models/\(rawValue)") }
  func model() throws -> LanguageModel { try LanguageModel(folder) }
}

/// A folder that is removed at the end of the test.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func write(_ text: String, to name: String) throws -> URL { try write(Data(text.utf8), to: name) }

  func write(_ data: Data, to name: String) throws -> URL {
    let place = url.appendingPathComponent(name)
    try data.write(to: place)
    return place
  }

  var content: [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path).sorted()) ?? [] }
}

/// `count` tokens that look random and are the same everywhere.
func someTokens(_ count: Int, below vocabulary: Int, seed: UInt64 = 1) -> [Int32] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Int32(random.next() % UInt64(vocabulary)) }
}

/// A network whose layers are another's, some without attention or without MLP.
struct Amputated: Network {
  let whole: LanguageModel
  let configuration: ModelConfiguration

  init(_ whole: LanguageModel, withoutAttention: Set<Int>, withoutMLP: Set<Int>) {
    self.whole = whole
    var configuration = whole.configuration
    for index in configuration.layers.indices {
      if withoutAttention.contains(index) {
        configuration.layers[index].queryHeads = 0
        configuration.layers[index].kvHeads = 0
      }
      if withoutMLP.contains(index) { configuration.layers[index].mlpChannels = 0 }
    }
    self.configuration = configuration
  }

  var embedding: Matrix<Float> { whole.embedding }
  var engine: any Engine { whole.engine }
  var memory: MemoryPlan { whole.memory }
  var finalNorm: [Float] { whole.finalNorm }
  var head: Matrix<Float> { whole.head }

  func layer(_ index: Int) throws -> LayerWeights {
    var weights = try whole.layer(index)
    let hidden = configuration.hiddenSize
    let (none, nothing) = (Linear(weight: Matrix(rows: 0, columns: hidden)), Matrix<Float>(rows: hidden, columns: 0))
    if configuration.layers[index].kvHeads == 0 {
      (weights.query, weights.key, weights.value, weights.output.weight) = (none, none, none, nothing)
    }
    if configuration.layers[index].mlpChannels == 0 {
      (weights.gate, weights.up, weights.down.weight) = (none, none, nothing)
    }
    return weights
  }
}
