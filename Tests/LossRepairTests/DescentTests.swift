import Evaluation
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Subnets
import Testing

@testable import LossRepair

/// What torch found, see `make_descent.py`.
struct Expected: Decodable {
  struct Summary: Decodable {
    var norm: Double
    var places: [Int]
    var values: [Double]
  }

  var rate: Float
  var length: Int
  var tokens: [Int32]
  var gradients: [String: Summary]
  var divergences: [Double]
  var after: Double
  var weights: [String: Summary]
}

/// A fixture, its subnet of three quarters of the MLP channels, and what torch found for them.
struct Case {
  let dense: LanguageModel
  let subnet: Subnet<LanguageModel>
  let expected: Expected
  let windows: TokenWindows

  init(_ name: String, memory: MemoryPlan = MemoryPlan()) throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    dense = try LanguageModel(
      tests.deletingLastPathComponent().appendingPathComponent("Fixtures/models/\(name)"), memory: memory)
    subnet = Subnet(
      of: dense,
      keeping: dense.configuration.layers.map {
        KeptUnits(groups: Array(0..<$0.kvHeads), channels: Array(0..<$0.mlpChannels * 3 / 4))
      })
    expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: tests.appendingPathComponent("Fixtures/\(name).json")))
    windows = TokenWindows(length: expected.length, tokens: expected.tokens)
  }

  /// Numbers of a layer by the names of a checkpoint.
  func named(
    _ layer: Int, matrix: (LayerPart) -> Matrix<Float>, bias: (LayerPart) -> [Float]?, gains: (LayerPart) -> [Float]
  ) -> [String: [Float]] {
    let names = TensorNames.huggingFace(dense.configuration.family)
    var result: [String: [Float]] = [:]
    for part in dense.configuration.parts(of: dense.configuration.layers[layer]) {
      result[names.weight(part, layer: layer)] = part.isLinear ? matrix(part).elements : gains(part)
      if part.isLinear, let bias = bias(part) { result[names.bias(part, layer: layer)] = bias }
    }
    return result
  }
}

private func expect(_ found: [Float], _ summary: Expected.Summary, within tolerance: Double, _ name: String) {
  let norm = found.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  #expect(abs(norm - summary.norm) <= tolerance * max(1e-6, summary.norm), "norm of \(name)")
  let size = summary.norm / Double(max(1, found.count)).squareRoot()
  for (place, value) in zip(summary.places, summary.values) {
    #expect(abs(Double(found[place]) - value) <= tolerance * max(abs(value), size), "\(name) at \(place)")
  }
}

@Suite struct DescentTests {
  static let names = ["mistral-gqa", "qwen2-bias", "gemma2-caps"]

  @Test(arguments: names) func gradientsAreThoseOfAutograd(_ name: String) throws {
    let found = try Case(name)
    let reference = try DenseReference(found.dense, windows: found.windows)
    var (gradients, divergence): ([String: [Float]], Double) = ([:], 0)
    let norm = try BackwardPass(found.windows.windows(0..<2)).run(
      found.subnet, seed: { divergence = try reference.gradient(at: $0, windows: [0, 1], into: $1) },
      visit: { layer in
        let of = try #require(layer.gradients)
        gradients.merge(
          found.named(
            layer.index, matrix: { of[$0].weight }, bias: { of[$0].bias?.elements }, gains: { of[gain: $0].elements })
        ) { $1 }
      })
    gradients["model.norm.weight"] = norm.elements
    #expect(abs(divergence - found.expected.divergences[0]) < 1e-5 * found.expected.divergences[0])
    #expect(Set(gradients.keys) == Set(found.expected.gradients.keys))
    for (name, summary) in found.expected.gradients {
      expect(try #require(gradients[name]), summary, within: 1e-4, name)
    }
  }

  /// Ten steps of torch's Adam, with states in memory and on disk.
  @Test(arguments: names, [false, true]) func tenStepsAreThoseOfTorch(_ name: String, onDisk: Bool) throws {
    let found = try Case(name, memory: MemoryPlan(limit: onDisk ? 1 : nil))
    let expected = found.expected
    let reference = try DenseReference(found.dense, windows: found.windows)
    let network = try TrainedNetwork(found.subnet)
    for (step, divergence) in expected.divergences.enumerated() {
      let before = try Descent<LanguageModel>.step(
        network, reference, [step % 2 * 2, step % 2 * 2 + 1], rate: expected.rate)
      #expect(abs(before - divergence) < 1e-3 * divergence)
    }
    let after = try reference.compare(network).divergence
    #expect(abs(after - expected.after) < 1e-3 * expected.after)
    #expect(after < expected.divergences[0])
    // A gain of Gemma is stored without its 1.
    let offset: Float = name.hasPrefix("gemma") ? 1 : 0
    var weights = ["model.norm.weight": network.finalNorm.map { $0 - offset }]
    for index in found.dense.configuration.layers.indices {
      let layer = try network.layer(index)
      weights.merge(
        found.named(
          index, matrix: { layer[$0].weight }, bias: { layer[$0].bias }, gains: { layer[gain: $0].map { $0 - offset } })
      ) { $1 }
    }
    for (name, summary) in expected.weights {
      expect(try #require(weights[name]), summary, within: 2e-3, name)
    }
  }

  /// A network is at no divergence from itself, capped logits or not.
  @Test(arguments: names) func aNetworkIsAtNoDivergenceFromItself(_ name: String) throws {
    let found = try Case(name)
    let reference = try DenseReference(found.dense, windows: found.windows)
    #expect(try reference.compare(found.dense).divergence < 1e-5)
    #expect(try reference.compare(found.subnet).divergence > 1e-3)
  }

  @Test func whatIsShippedIsTheBestState() throws {
    let found = try Case("mistral-gqa")
    let training = try DenseReference(found.dense, windows: found.windows.windows(0..<2))
    let heldOut = try DenseReference(found.dense, windows: found.windows.windows(2..<4))
    var plan = DescentPlan()
    (plan.passes, plan.batchTokens) = (8, 12)
    plan.peakRate = 1e-3 * Double(found.dense.configuration.hiddenSize) / 576
    let descent = try Descent(found.subnet, toward: training, heldOut: heldOut, plan: plan)
    let best = try #require(descent.checks.map(\.heldOut).min())
    #expect(descent.comparison.divergence == best)
    #expect(try heldOut.compare(descent.network).divergence == best)
    #expect(best < descent.checks[0].heldOut)
    #expect(descent.checks.last?.tokens == 8 * 24)
    // The same again gives the same bits.
    let again = try Descent(found.subnet, toward: training, heldOut: heldOut, plan: plan)
    #expect(again.checks == descent.checks)
  }

  @Test func everyPassHasEveryWindowOnceAndTheRateRisesAndFalls() {
    var plan = DescentPlan()
    (plan.passes, plan.batchTokens) = (3, 10)
    let windows = TokenWindows(length: 5, tokens: (0..<35).map(Int32.init))
    let batches = plan.batches(of: windows)
    #expect(batches.count == 12)
    for pass in 0..<3 {
      #expect(batches[pass * 4..<pass * 4 + 4].flatMap { $0 }.sorted() == Array(0..<7))
    }
    #expect(batches[0..<4] != batches[4..<8])
    let rates = (0..<40).map { plan.rate(step: $0, of: 40, hidden: 576) }
    let peak = rates.max() ?? 0
    #expect(abs(peak - plan.peakRate) < 1e-9 * plan.peakRate && rates[9] == peak)
    #expect(zip(rates[..<9], rates[1...9]).allSatisfy { $0 < $1 })
    #expect(zip(rates[10...], rates[11...]).allSatisfy { $0 > $1 })
    #expect(abs(plan.rate(step: 9, of: 40, hidden: 1152) - peak / 2) < 1e-9 * peak)
  }
}
