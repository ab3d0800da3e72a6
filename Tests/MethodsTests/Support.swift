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
    "llm-surgeon": ["shots=2", "samples=4"],
    "tyr": ["rounds=2", "generations=2", "offspring=6"],
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

/// Random inputs of shape `[tokens, inputs]` that depend on one another, with their `E[x xᵀ]`, and a random weight.
struct Problem {
  let inputs: Matrix<Float>
  let gram: Matrix<Float>
  let weight: Matrix<Float>

  init(inputs count: Int, outputs: Int, tokens: Int = 200, seed: UInt64 = 1) {
    var random = SeededGenerator(seed: seed)
    func matrix(_ rows: Int, _ columns: Int) -> Matrix<Float> {
      Matrix((0..<rows * columns).map { _ in Float(2 * random.unit() - 1) }, rows: rows, columns: columns)
    }
    let (sources, mixing) = (matrix(tokens, count), matrix(count, count))
    let mixed = Matrix<Float>(rows: tokens, columns: count)
    multiply(sources, mixing, into: mixed)
    (inputs, weight) = (mixed, matrix(outputs, count))
    gram = PrunedPrefix.gram(mixed)
  }

  /// `E‖W x − Ŵ x_K‖²`, with ridge `λ‖Ŵ‖²`.
  func error(_ fitted: Matrix<Float>, _ kept: [Int], ridge: Double = 0) -> Double {
    let wanted = Matrix<Float>(rows: inputs.rows, columns: weight.rows)
    multiply(inputs, weight, transposingB: true, into: wanted)
    multiply(inputs.gatherColumns(kept), fitted, transposingB: true, scale: -1, accumulate: 1, into: wanted)
    let lambda = kept.reduce(0.0) { $0 + Double(gram[$1, $1]) } / Double(kept.count) * ridge
    func square(_ m: Matrix<Float>) -> Double { m.elements.reduce(0) { $0 + Double($1) * Double($1) } }
    return square(wanted) / Double(inputs.rows) + lambda * square(fitted)
  }
}
