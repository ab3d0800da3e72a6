import Calibration
import Evaluation
import Foundation
import LinearAlgebra
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

/// A model of the fixtures with a bench on a cache of its own.
final class TinyBench {
  let model: LanguageModel
  private let cache: URL
  private let calibration: TokenWindows
  private let heldOut: TokenWindows

  init(_ name: String = "llama3-gqa") throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    model = try LanguageModel(tests.appendingPathComponent("Fixtures/models/\(name)"))
    cache = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-tests-\(UUID().uuidString)")
    let vocabulary = UInt64(model.configuration.vocabularySize)
    var random = SeededGenerator(seed: 5)
    func windows(_ count: Int) -> TokenWindows {
      TokenWindows(length: 32, tokens: (0..<count * 32).map { _ in Int32(random.next() % vocabulary) })
    }
    calibration = windows(16)
    heldOut = windows(4)
  }

  deinit { try? FileManager.default.removeItem(at: cache) }

  var configuration: ModelConfiguration { model.configuration }

  func bench(seed: UInt64 = 0) throws -> Workbench {
    try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
    return Workbench(
      model: model, fingerprint: "tiny", sets: [CalibrationSet(name: "a", calibration: calibration, fitness: heldOut)],
      heldOut: heldOut, seed: seed, cache: cache)
  }

  /// Fewer trials than by default, where a method has any.
  static let quick = [
    "ours": ["evaluations=6", "gradient-windows=4"],
    "ours-fast": ["gradient-windows=4"],
    "search-llm": ["population=6", "evaluations=14", "fitness=2"],
    "nirvana": ["trials=2", "samples=4", "length=16"],
    "adapruner": ["trials=5", "subsets=2", "samples=4", "length=16"],
    "llm-pruner": ["samples=4"],
  ]

  func prune(_ name: String, keep: Double, seed: UInt64 = 0, _ more: String...) throws -> PrunedModel {
    let method = try MethodRegistry.named(name)
    let values = try SettingValues(of: method, (Self.quick[name] ?? []) + more)
    return try method.prune(
      bench(seed: seed), budget: Int(keep * Double(configuration.blockParameters)), values)
  }
}

/// A model's shape without weights.
func shape(
  hidden: Int, layers: Int, heads: Int, kvHeads: Int, dimension: Int, channels: Int, vocabulary: Int, tied: Bool = false
) -> ModelConfiguration {
  ModelConfiguration(
    family: .llama, hiddenSize: hidden, vocabularySize: vocabulary, headDimension: dimension,
    layers: Array(
      repeating: LayerShape(queryHeads: heads, kvHeads: kvHeads, mlpChannels: channels), count: layers),
    block: BlockDescription(normEpsilon: 1e-5, rotary: RotaryConfiguration(theta: 10_000, scaling: .none)),
    tiedEmbeddings: tied, contextLength: 2048)
}

let llama7B = shape(
  hidden: 4096, layers: 32, heads: 32, kvHeads: 32, dimension: 128, channels: 11_008, vocabulary: 32_000)
let llama3Point1 = shape(
  hidden: 4096, layers: 32, heads: 32, kvHeads: 8, dimension: 128, channels: 14_336, vocabulary: 128_256)
