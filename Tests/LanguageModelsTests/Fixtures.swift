import Checkpoints
import Foundation
import LinearAlgebra

@testable import LanguageModels

/// The checkpoints of `Tests/Fixtures/models` and what the reference implementation computes with them.
enum Fixture: String, CaseIterable, Sendable {
  case llamaMHA = "llama-mha"
  case llamaLinear = "llama-linear"
  case llama3GQA = "llama3-gqa"
  case mistralGQA = "mistral-gqa"
  case qwen2Bias = "qwen2-bias"
  case qwen3Tied = "qwen3-tied"
  case qwen3Odd = "qwen3-odd"
  case gemma2Caps = "gemma2-caps"
  case gemma3Local = "gemma3-local"
  case gemma3Scaled = "gemma3-scaled"
  case phi3Fused = "phi3-fused"
  case phi3Partial = "phi3-partial"
  case graniteTied = "granite-tied"
  case graniteBias = "granite-bias"
  case ministralMixed = "ministral-mixed"
  case smollm3Still = "smollm3-still"
  case olmo2Norms = "olmo2-norms"
  case glmPartial = "glm-partial"
  case glm4Norms = "glm4-norms"
  case qwen3moeSix = "qwen3moe-six"
  case olmoeFive = "olmoe-five"
  case mixtralFour = "mixtral-four"
  case chatGLMJoined = "chatglm-joined"
  case gptossSinks = "gptoss-sinks"
  case gptossBlocks = "gptoss-blocks"

  /// Those with a tokenizer.
  static let withTokenizer = allCases.filter {
    FileManager.default.fileExists(atPath: $0.folder.appendingPathComponent("tokenizer.json").path)
  }
  /// Those that are there as GGUF, too.
  static let withGGUF = allCases.filter { FileManager.default.fileExists(atPath: $0.gguf.path) }

  var folder: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/models/\(rawValue)")
  }
  var gguf: URL { folder.appendingPathComponent("\(rawValue).gguf") }

  func model() throws -> LanguageModel { try LanguageModel(folder) }
  func expected() throws -> Expected { try Expected(JSONValue.read(folder.appendingPathComponent("expected.json"))) }
}

/// The content of an `expected.json`.
struct Expected {
  struct Sequence {
    let tokens: [Int32]
    let losses: [Double]
    let meanLoss: Double?
    let positions: [Int]
    let logits: [[Double]]
  }

  let parameters: Int
  let sequences: [Sequence]
  let prompt: [Int32]
  let continuation: [Int32]

  init(_ json: JSONValue) throws {
    parameters = try Self.some(json["parameters"]?.integer)
    sequences = try Self.some(json["sequences"]?.array).map { sequence in
      Sequence(
        tokens: try Self.tokens(sequence["tokens"]),
        losses: sequence["token_nll"]?.array?.compactMap(\.double) ?? [], meanLoss: sequence["mean_nll"]?.double,
        positions: try Self.some(sequence["positions"]?.array).compactMap(\.integer),
        logits: try Self.some(sequence["logits"]?.array).map { try Self.some($0.array).compactMap(\.double) })
    }
    prompt = try Self.tokens(json["greedy"]?["prompt"])
    continuation = try Self.tokens(json["greedy"]?["continuation"])
  }

  private struct Missing: Error {}

  private static func some<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Missing() }
    return value
  }

  private static func tokens(_ value: JSONValue?) throws -> [Int32] {
    try some(value?.array).map { Int32(try some($0.integer)) }
  }
}

/// A folder that is removed at the end of the test.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("nas-search-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}

extension Network {
  /// All logits of windows, shape `[tokens, vocabulary]`.
  func logits(_ windows: TokenWindows) throws -> Matrix<Float> {
    try OutputHead(self).logits(ForwardPass(windows).hiddenStates(of: self))
  }

  func logits(_ tokens: [Int32]) throws -> Matrix<Float> { try logits(TokenWindows([tokens])) }
}

/// Largest absolute difference; infinite where shapes differ or a value is NaN.
func distance(_ a: Matrix<Float>, _ b: Matrix<Float>) -> Double {
  guard a.rows == b.rows, a.columns == b.columns, a.count > 0 else { return .infinity }
  return distance(a.elements, b.elements.map(Double.init))
}

func distance(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count, !a.isEmpty else { return .infinity }
  return zip(a, b).reduce(0) { worst, pair in
    let difference = abs(Double(pair.0) - pair.1)
    return difference <= worst ? worst : difference.isNaN ? .infinity : difference
  }
}

/// `count` tokens that look random and are the same everywhere.
func someTokens(_ count: Int, below vocabulary: Int, seed: UInt64 = 1) -> [Int32] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Int32(random.next() % UInt64(vocabulary)) }
}
