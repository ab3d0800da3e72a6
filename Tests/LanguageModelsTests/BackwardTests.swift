import Checkpoints
import Foundation
import LinearAlgebra
import Runtime
import Testing

@testable import LanguageModels

/// A network whose layers a test may change.
private struct Edited: Network {
  let parent: LanguageModel
  var layers: [LayerWeights]

  init(_ parent: LanguageModel) throws {
    self.parent = parent
    layers = try parent.configuration.layers.indices.map(parent.layer)
  }

  var configuration: ModelConfiguration { parent.configuration }
  var embedding: Matrix<Float> { parent.embedding }
  var engine: any Engine { parent.engine }
  var memory: MemoryPlan { parent.memory }
  var finalNorm: [Float] { parent.finalNorm }
  var head: Matrix<Float> { parent.head }
  func layer(_ index: Int) throws -> LayerWeights { layers[index] }
}

/// What autograd found, see `Tests/Fixtures/README.md`.
private struct ExpectedGradients: Decodable {
  struct Summary: Decodable {
    var norm: Double
    var largest: Double
    var places: [Int]
    var values: [Double]
  }

  var window: Int
  var tokens: [Int32]
  var lossGradients: [String: Summary]
  var squaredGradients: [String: Summary]
  var maximumLogitGradients: [String: Summary]

  enum CodingKeys: String, CodingKey {
    case window, tokens
    case lossGradients = "loss_gradients"
    case squaredGradients = "squared_gradients"
    case maximumLogitGradients = "maximum_logit_gradients"
  }
}

extension LayerGradients {
  /// By the names that checkpoints use within a layer.
  fileprivate func named(_ names: TensorNames, _ parts: Set<LayerPart>) -> [String: Matrix<Float>] {
    var result: [String: Matrix<Float>] = [:]
    for part in LayerPart.allCases where parts.contains(part) {
      let prefix = "model.layers.0."
      // The experts of a mixture are one matrix here.
      let isJoined = [.gate, .up, .down, .router].contains(part) && parts.contains(.router)
      let joined =
        isJoined
        ? "mlp.\(part)\(part == .router ? "" : "_proj")"
        : part == .expertBias ? "mlp.down_proj" : nil
      let name =
        joined.map { "\($0).\(part == .expertBias ? "bias" : "weight")" }
        ?? String(names.weight(part, layer: 0).dropFirst(prefix.count))
      let gains = self[gain: part]
      if gains.count > 0 { result[name] = gains }
      if part.isLinear { result[name] = self[part].weight }
      guard part.isLinear, let bias = self[part].bias else { continue }
      result[joined.map { "\($0).bias" } ?? String(names.bias(part, layer: 0).dropFirst(prefix.count))] = bias
    }
    return result
  }
}

@Suite struct BackwardTests {
  /// All gradients of a network, and squares where asked for, by the names of a checkpoint without `model.layers.`.
  private func gradients(
    _ network: some Network, _ windows: TokenWindows, of scalar: BackwardPass.Scalar, squares: Bool = false
  ) throws -> (first: [String: [Float]], squares: [String: [Float]]) {
    var first: [String: [Float]] = [:]
    var second: [String: [Float]] = [:]
    let (names, parts) = (TensorNames.huggingFace(network.configuration.family), network.configuration.block.parts)
    var order: [Int] = []
    try BackwardPass(windows).run(network, of: scalar, parts: squares ? .squares : .weights) { layer in
      order.append(layer.index)
      for (name, matrix) in try #require(layer.gradients).named(names, parts) {
        first["\(layer.index).\(name)"] = matrix.elements
      }
      #expect((layer.squares != nil) == squares && layer.outputMoments == nil)
      for (name, matrix) in layer.squares?.named(names, parts) ?? [:] {
        second["\(layer.index).\(name)"] = matrix.elements
      }
    }
    #expect(order == network.configuration.layers.indices.reversed())
    return (first, second)
  }

  private func expectClose(
    _ found: [String: [Float]], _ expected: [String: ExpectedGradients.Summary], tolerance: Double,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(Set(found.keys) == Set(expected.keys), sourceLocation: sourceLocation)
    for (name, summary) in expected {
      let values = found[name] ?? []
      guard values.count > summary.places.max() ?? 0 else {
        Issue.record("\(name) has \(values.count) values", sourceLocation: sourceLocation)
        continue
      }
      let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(norm / summary.norm - 1) <= tolerance, "\(name): \(norm)", sourceLocation: sourceLocation)
      for (place, value) in zip(summary.places, summary.values) {
        #expect(
          abs(Double(values[place]) - value) <= tolerance * summary.largest,
          "\(name)[\(place)]: \(values[place]), \(value)", sourceLocation: sourceLocation)
      }
    }
  }

  /// Every family, every weight, against automatic differentiation in double precision.
  @Test(arguments: Fixture.allCases)
  func agreesWithAutomaticDifferentiation(fixture: Fixture) throws {
    let url = fixture.folder.appendingPathComponent("gradients.json")
    let expected = try JSONDecoder().decode(ExpectedGradients.self, from: Data(contentsOf: url))
    let windows = TokenWindows(length: expected.window, tokens: expected.tokens)
    let model = try fixture.model()
    let loss = try gradients(model, windows, of: .loss, squares: true)
    expectClose(loss.first, expected.lossGradients, tolerance: 1e-4)
    expectClose(loss.squares, expected.squaredGradients, tolerance: 1e-4)
    let largest = try gradients(model, windows, of: .maximumLogit)
    expectClose(largest.first, expected.maximumLogitGradients, tolerance: 1e-4)
  }

  private func loss(_ network: some Network, _ windows: TokenWindows) throws -> Double {
    let hidden = try ForwardPass(windows).hiddenStates(of: network)
    let logits = try OutputHead(network).logits(hidden)
    var sum = 0.0
    for position in 0..<hidden.rows where position % windows.length < windows.length - 1 {
      let row = (0..<logits.columns).map { Double(logits[position, $0]) }
      let peak = row.max() ?? 0
      sum += peak + log(row.reduce(0) { $0 + exp($1 - peak) }) - row[Int(windows.tokens[position + 1])]
    }
    return sum / Double(windows.count * (windows.length - 1))
  }

  /// What the references lack: biases everywhere and layers of different widths, or a sliding window; and queries in blocks.
  @Test(arguments: [false, true])
  func agreesWithFiniteDifferences(sliding: Bool) throws {
    let folder = try TemporaryFolder()
    let layers = [
      LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 8),
      LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24),
    ]
    let mistral: [String: JSONValue] = [
      "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 4,
    ]
    let tiny =
      sliding ? TinyModel(config: mistral) : TinyModel(layers: layers, attentionBias: true, mlpBias: true)
    let model = try tiny.open(in: folder)
    #expect(model.configuration.slidingWindow == (sliding ? 4 : nil))
    let windows = TokenWindows(length: 9, tokens: someTokens(27, below: 40))
    let small = try LanguageModel(model.location, engine: CPUEngine(queryBlock: 4))
    let found = try gradients(small, windows, of: .loss).first
    let network = try Edited(model)
    let step: Float = 0.01
    for (index, weights) in network.layers.enumerated() {
      let parts: [(String, WritableKeyPath<LayerWeights, Linear>)] = [
        ("self_attn.q_proj", \.query), ("self_attn.k_proj", \.key), ("self_attn.v_proj", \.value),
        ("self_attn.o_proj", \.output), ("mlp.gate_proj", \.gate), ("mlp.up_proj", \.up), ("mlp.down_proj", \.down),
      ]
      for (name, part) in parts {
        let values = try #require(found["\(index).\(name).weight"])
        let scale = values.reduce(0) { max($0, abs($1)) }
        for place in [0, values.count / 3, values.count - 2] {
          let ends = try [-step, step].map { change in
            var edited = network
            let weight = weights[keyPath: part].weight.copy()
            weight.pointer[place] += change
            edited.layers[index][keyPath: part].weight = weight
            return try loss(edited, windows)
          }
          let slope = (ends[1] - ends[0]) / Double(2 * step)
          #expect(abs(Double(values[place]) - slope) <= 5e-3 * Double(scale), "\(index).\(name)[\(place)]: \(slope)")
        }
        guard let bias = weights[keyPath: part].bias else {
          #expect(sliding && found["\(index).\(name).bias"] == nil)
          continue
        }
        let biases = try #require(found["\(index).\(name).bias"])
        let ends = try [-step, step].map { change in
          var edited = network
          var moved = bias
          moved[1] += change
          edited.layers[index][keyPath: part].bias = moved
          return try loss(edited, windows)
        }
        let slope = (ends[1] - ends[0]) / Double(2 * step)
        let size = Double(biases.reduce(0) { max($0, abs($1)) })
        #expect(abs(Double(biases[1]) - slope) <= 5e-3 * max(size, 0.01), "\(index).\(name).bias: \(slope)")
      }
    }
  }

  /// With one window of two tokens only the first predicts, so at the last layer its gradient alone is left: that of
  /// the biases of the output projections.
  @Test func outputMomentsAreThoseOfTheGradients() throws {
    let folder = try TemporaryFolder()
    let layers = Array(repeating: LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 24), count: 2)
    let model = try TinyModel(layers: layers, attentionBias: true, mlpBias: true).open(in: folder)
    let windows = TokenWindows(length: 2, tokens: [3, 11])
    var found: [BackwardPass.OutputMoments] = []
    var biases: [[Float]] = []
    try BackwardPass(windows, scratch: folder.url).run(model, parts: [.weights, .outputMoments]) { layer in
      if layer.index < 1 { return }
      found.append(try #require(layer.outputMoments))
      let gradients = try #require(layer.gradients)
      biases = [gradients.output.bias, gradients.down.bias].map { $0?.elements ?? [] }
    }
    let moments = try #require(found.first)
    for (matrix, gradient) in zip([moments.attention, moments.mlp], biases) {
      #expect(gradient.count == matrix.rows && gradient.contains { abs($0) > 1e-4 })
      for i in 0..<matrix.rows {
        for j in 0..<matrix.columns {
          #expect(abs(matrix[i, j] - gradient[i] * gradient[j] / 2) <= 1e-6 * max(1, abs(matrix[i, j])))
        }
      }
    }
    // The same where gradients of weights are not wanted.
    try BackwardPass(windows, scratch: folder.url).run(model, parts: .outputMoments) { layer in
      #expect(layer.gradients == nil)
      if layer.index == 1 { #expect(layer.outputMoments?.attention.elements == moments.attention.elements) }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).allSatisfy { !$0.hasPrefix(".scr") })
  }

  /// The gradient at a token drawn from the network's own distribution is that at some token, and its mean over many draws
  /// is zero: the score function of a distribution has no mean.
  @Test func sampledTokensComeFromTheNetwork() throws {
    let folder = try TemporaryFolder()
    let model = try TinyModel().open(in: folder)
    func gradient(_ scalar: BackwardPass.Scalar, next: [Int32]) throws -> [Float] {
      var found: [Float] = []
      let windows = TokenWindows(length: 2, tokens: next.flatMap { [3, $0] })
      try BackwardPass(windows, scratch: folder.url).run(model, of: scalar) { layer in
        if layer.index == model.configuration.layerCount - 1 {
          found = try #require(layer.gradients).down.weight.elements
        }
      }
      return found
    }
    func norm(_ x: [Float]) -> Double { x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
    let choices = try (0..<Int32(model.configuration.vocabularySize)).map { try gradient(.loss, next: [$0]) }
    let drawn = try gradient(.sampledLoss, next: [0])
    let matches = choices.filter { choice in norm(zip(choice, drawn).map { $0 - $1 }) <= 1e-5 * norm(drawn) }
    #expect(matches.count == 1)
    // Draws of distinct windows are independent, so that their mean shrinks with the square root of their number.
    let mean = try gradient(.sampledLoss, next: Array(repeating: 0, count: 1600))
    let typical = choices.map(norm).reduce(0, +) / Double(choices.count)
    #expect(norm(mean) > 0 && norm(mean) < 3 * typical / 40, "\(norm(mean)), \(typical)")
  }

  @Test func namesTheFolderThatCannotHoldActivations() throws {
    let model = try Fixture.llama3GQA.model()
    let nowhere = URL(fileURLWithPath: "/nonexistent/folder")
    #expect(throws: ModelError.scratch(folder: nowhere.path, problem: "No such file or directory")) {
      try BackwardPass(TokenWindows([[1, 2, 3]]), scratch: nowhere).run(model) { _ in }
    }
  }
}
