import Checkpoints
import Foundation
import LinearAlgebra
import Testing

@testable import LanguageModels

/// Odd but real forms of the fixtures give what the reference implementation gives on the same folder (`Tests/Fixtures/odd`,
/// written by `make_odd.py`).
@Suite struct OddModelTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static func read(_ name: String) throws -> JSONValue { try JSONValue.read(Odd.folder.appendingPathComponent(name)) }

  @Test(arguments: try Odd.models())
  func lossIsThatOfTransformers(odd: Odd) throws {
    let fixture = try #require(Fixture(rawValue: odd.fixture))
    try odd.write(fixture, to: folder.url)
    let tokens = Array(repeatElement(try fixture.expected().sequences[0].tokens, count: odd.repeats).joined())
    let found = try meanLoss(LanguageModel(folder.url), tokens)
    #expect(abs(found - odd.loss) <= 2e-6 * odd.loss, "\(odd.name): \(found), not \(odd.loss)")
  }

  /// Matrices of 8-bit floats: one scale a block, a row, a tensor.
  @Test(arguments: try read("float8.json").array ?? [])
  func scaledFloatsAreTheWeightsTheyMean(odd: JSONValue) throws {
    let name = try #require(odd["folder"]?.string)
    let loss = try #require(odd["mean_nll"]?.double)
    let model = try LanguageModel(Odd.folder.appendingPathComponent(name))
    let tokens = try Fixture.llama3GQA.expected().sequences[0].tokens
    let found = try meanLoss(model, tokens)
    #expect(abs(found - loss) <= 2e-6 * loss, "\(name): \(found), not \(loss)")
  }

  @Test(arguments: Family.all.map(\.name))
  func missingKeysHaveTheFamilysDefaults(name: String) throws {
    let family = try #require(Family.all.first { $0.name == name })
    let expected = try #require(Self.read("defaults.json")[family.modelTypes[0]])
    let config = try HuggingFaceConfig(.object(["model_type": .string(family.modelTypes[0])]), file: "config.json")
    let found = try ModelConfiguration(huggingFace: config)
    let heads = try #require(expected["num_attention_heads"]?.integer)
    #expect(found.family == family)
    #expect(found.vocabularySize == expected["vocab_size"]?.integer)
    #expect(found.hiddenSize == expected["hidden_size"]?.integer)
    #expect(found.layerCount == expected["num_hidden_layers"]?.integer)
    #expect(found.layers[0].queryHeads == heads)
    #expect(found.layers[0].kvHeads == expected["num_key_value_heads"]?.integer ?? heads)
    if let experts = family.experts {
      #expect(found.layers[0].mlpChannels == expected["num_local_experts"]?.integer)
      #expect(found.block.experts?.perToken == expected["num_experts_per_tok"]?.integer)
      #expect(found.block.experts?.channels == expected[experts.channels]?.integer)
      #expect(found.block.experts?.renormalises == experts.renormalises.map { expected[$0]?.bool } ?? true)
    } else {
      #expect(found.layers[0].mlpChannels == expected["intermediate_size"]?.integer)
    }
    #expect(found.headDimension == expected["head_dim"]?.integer ?? found.hiddenSize / heads)
    #expect(found.contextLength == expected["max_position_embeddings"]?.integer)
    #expect(expected["rms_norm_eps"]?.double.map { Float($0) } == found.normEpsilon)
    #expect(found.tiedEmbeddings == expected["tie_word_embeddings"]?.bool)
    #expect(found.bosToken.map { Int($0) } == expected["bos_token_id"]?.integer)
    let ends =
      expected["eos_token_id"]?.array?.compactMap(\.integer) ?? [expected["eos_token_id"]?.integer].compactMap(\.self)
    #expect(found.eosTokens.map { Int($0) } == ends)
    #expect(found.rotary.theta == expected["rope_theta"]?.double)
    // Of all families only gpt-oss is scaled where nothing is said.
    let yarn = RotaryConfiguration.Scaling.yarn(YarnScaling(factor: 32, originalContext: 4096, truncates: false))
    #expect(found.rotary.scaling == (family == .gptoss ? yarn : .none))
    // Qwen 2 has a window only where a switch says so.
    let window = family.window == .allLayers ? expected["sliding_window"]?.integer : nil
    #expect(found.slidingWindow == window)
  }

  /// What is said about a disagreement that is settled.
  @Test(arguments: [
    ("tied, another head stored", "tie_word_embeddings"), ("biases promised, none stored", "zeros"),
    ("biases stored, none promised", "left out"), ("attention_bias of a Mistral", "attention_bias"),
    ("sliding window of a Llama", "sliding_window"),
  ])
  func disagreementsAreSaid(name: String, word: String) throws {
    let odd = try #require(try Odd.models().first { $0.name == name })
    try odd.write(try #require(Fixture(rawValue: odd.fixture)), to: folder.url)
    let heard = try Notices.heard { _ = try LanguageModel(folder.url) }
    #expect(heard.count == 1 && heard[0].contains(word) && heard[0].contains(folder.url.path), "\(heard)")
  }

  @Test func ordinaryModelsAreNotRemarkedOn() throws {
    for fixture in Fixture.allCases { #expect(try Notices.heard { _ = try fixture.model() }.isEmpty, "\(fixture)") }
  }

  private func meanLoss(_ model: LanguageModel, _ tokens: [Int32]) throws -> Double {
    let logits = try model.logits(tokens)
    let losses = (1..<tokens.count).map { position -> Double in
      let row = UnsafeBufferPointer(start: logits.row(position - 1), count: logits.columns).map(Double.init)
      let largest = row.max() ?? 0
      return largest + log(row.reduce(0) { $0 + exp($1 - largest) }) - row[Int(tokens[position])]
    }
    return losses.reduce(0, +) / Double(losses.count)
  }
}

/// A change of a fixture's configuration and tensors.
struct Odd: Sendable, CustomTestStringConvertible {
  let name: String
  let fixture: String
  let loss: Double
  /// How often the sequence is repeated.
  let repeats: Int
  private let json: JSONValue

  static var folder: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Fixtures/odd")
  }

  static func models() throws -> [Odd] {
    let file = try JSONValue.read(folder.appendingPathComponent("models.json"), dialect: .python)
    return try (file.array ?? []).map { json in
      Odd(
        name: try #require(json["name"]?.string), fixture: try #require(json["model"]?.string),
        loss: try #require(json["mean_nll"]?.double), repeats: json["repeat"]?.integer ?? 1, json: json)
    }
  }

  var testDescription: String { name }

  /// Writes the changed fixture as a folder of its own.
  func write(_ fixture: Fixture, to folder: URL) throws {
    var config = try JSONValue.read(fixture.folder.appendingPathComponent("config.json")).object ?? [:]
    for key in json["remove"]?.array ?? [] { config[try #require(key.string)] = nil }
    config.merge(json["config"]?.object ?? [:]) { $1 }
    var model = TinyModel()
    model.config = config
    let checkpoint = try SafetensorsCheckpoint(directory: fixture.folder)
    model.tensors = try Dictionary(
      uniqueKeysWithValues: checkpoint.tensorNames.map { name in
        let tensor = try checkpoint.tensor(name)
        return (name, TinyModel.Values(shape: tensor.shape, values: try tensor.floats()))
      })
    for operation in json["tensors"]?.array ?? [] { try apply(operation.array ?? [], to: &model.tensors) }
    try model.write(to: folder)
  }

  private func apply(_ operation: [JSONValue], to tensors: inout [String: TinyModel.Values]) throws {
    let first = try #require(operation[1].string)
    switch operation[0].string {
    case "rename":
      let other = try #require(operation[2].string)
      tensors = Dictionary(
        uniqueKeysWithValues: tensors.map { ($0.replacing(first, with: other, maxReplacements: 1), $1) })
    case "drop":
      tensors = tensors.filter { !$0.key.contains(first) }
    case "copy":
      var copy = try #require(tensors[first])
      let factor = Float(try #require(operation[3].double))
      copy.values = copy.values.map { $0 * factor }
      tensors[try #require(operation[2].string)] = copy
    case "fill":
      let shape = (operation[2].array ?? []).compactMap(\.integer)
      let value = Float(try #require(operation[3].double))
      tensors[first] = TinyModel.Values(shape: shape, values: Array(repeating: value, count: shape.reduce(1, *)))
    default:
      Issue.record("unknown operation \(operation)")
    }
  }
}
