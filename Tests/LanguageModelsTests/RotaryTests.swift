import Checkpoints
import Foundation
import LinearAlgebra
import Testing

@testable import LanguageModels

@Suite struct RotaryTests {
  /// Frequencies are single-precision numbers, so they are compared with the nearest ones to what is expected.
  private func expectClose(_ found: [Float], _ expected: [Double]) {
    #expect(found.count == expected.count && !found.isEmpty)
    for (x, y) in zip(found, expected) { #expect(abs(x - Float(y)) <= 2 * Float(y).ulp) }
  }

  @Test func plainFrequenciesArePowersOfTheta() {
    let rotary = RotaryConfiguration(theta: 10_000, scaling: .none)
    expectClose(rotary.frequencies(headDimension: 8), [1, 0.1, 0.01, 0.001])
  }

  @Test func linearScalingDividesAllFrequencies() {
    let rotary = RotaryConfiguration(theta: 10_000, scaling: .linear(factor: 4))
    expectClose(rotary.frequencies(headDimension: 8), [0.25, 0.025, 0.0025, 0.00025])
    #expect(rotary.frequencyDivisors(headDimension: 8) == [4, 4, 4, 4])
  }

  @Test func factorsDivideOneByOne() {
    let rotary = RotaryConfiguration(theta: 10_000, scaling: .factors([1, 2, 5, 8]))
    expectClose(rotary.frequencies(headDimension: 8), [1, 0.05, 0.002, 0.000125])
  }

  /// Frequencies, cosines and sines at short and long positions, as transformers has them (`Tests/Fixtures/odd/rotary.json`).
  @Test(arguments: try OddModelTests.read("rotary.json").array ?? [])
  func anglesAreThoseOfTransformers(reference: JSONValue) throws {
    let dimension = try #require(reference["head_dim"]?.integer)
    let context = try #require(reference["max_position_embeddings"]?.integer)
    let config = try HuggingFaceConfig(reference, file: "config.json")
    let rotary = try RotaryConfiguration(
      huggingFace: config, .llama, layerType: "full_attention", context: context, headDimension: dimension)
    for expected in try #require(reference["lengths"]?.array) {
      let length = try #require(expected["length"]?.integer)
      let frequencies = try #require(expected["frequencies"]?.array).compactMap(\.double)
      expectClose(rotary.frequencies(headDimension: dimension, length: length), frequencies)
      let factor = try #require(expected["attention_factor"]?.double)
      #expect(abs(Double(rotary.attentionFactor) - factor) <= 1e-6 * factor)
      let embedding = RotaryEmbedding(rotary, headDimension: dimension, positions: length)
      for (i, (cosine, sine)) in zip(
        try #require(expected["cosines"]?.array).compactMap(\.double),
        try #require(expected["sines"]?.array).compactMap(\.double)
      ).enumerated() {
        let found = (embedding.cosines[length - 1, i], embedding.sines[length - 1, i])
        // Of the reference's powers, which are not all rounded correctly, one in a hundred and fifty differs in its last bit, and
        // then the product with the position may, too.
        let frequency = Float(frequencies[i])
        let angle = frequency * Float(length)
        let limit = 1e-6 + factor * (2 * Double(length) * Double(frequency.ulp) + Double(angle.ulp))
        #expect(
          abs(Double(found.0) - cosine) <= limit && abs(Double(found.1) - sine) <= limit, "pair \(i) of \(length)")
      }
    }
  }

  /// Through the whole model, with frequencies that the test computes itself.
  @Test func scalingReachesTheForwardPass() throws {
    let tokens = someTokens(40, below: 40)
    let plain = try TinyModel().open(in: TemporaryFolder()).logits(tokens)
    let base = (0..<2).map { pow(100, -Double($0) / 2) }
    let model = try TinyModel(config: ["rope_scaling": ["type": "linear", "factor": 3.0]]).open(in: TemporaryFolder())
    let naive = NaiveTransformer(model, frequencies: base.map { $0 / 3 })
    let found = try model.logits(tokens)
    #expect(distance(found.elements, try naive.logits(tokens).flatMap { $0 }) <= 1e-4)
    #expect(distance(found, plain) > 1e-2)
  }

  @Test func anglesGrowWithThePosition() {
    let rotary = RotaryEmbedding(
      RotaryConfiguration(theta: 10_000, scaling: .none), headDimension: 4, positions: 5000)
    let row = Matrix<Float>([1, 2, 0, 0, 0, 0, 3, 4], rows: 1, columns: 8)
    rotary.apply(to: row.row(0), heads: 2, position: 4321)
    let (a, b) = (4321.0, 43.21)
    let expected = [cos(a), 2 * cos(b), sin(a), 2 * sin(b), -3 * sin(a), -4 * sin(b), 3 * cos(a), 4 * cos(b)]
    #expect(distance(row.elements, expected) <= 1e-4)
    let same = Matrix<Float>([1, 2, 3, 4], rows: 1, columns: 4)
    rotary.apply(to: same.row(0), heads: 1, position: 0)
    #expect(same.elements == [1, 2, 3, 4])
  }

  @Test func rowOrdersAreInverse() {
    func interleaved(_ dimension: Int, _ turned: Int? = nil) -> RotaryRows {
      RotaryRows(headDimension: dimension, turned: turned, interleaved: true)
    }
    #expect(interleaved(8).inFile(rows: 8) == [0, 4, 1, 5, 2, 6, 3, 7])
    #expect(interleaved(4).inFile(rows: 8) == [0, 2, 1, 3, 4, 6, 5, 7])
    // Rows 0 to 3 of the file are turned: pairs (0, 1) and (2, 3), or (0, 2) and (1, 3). The others fill the halves.
    #expect(interleaved(8, 4).inFile(rows: 8) == [0, 4, 1, 5, 2, 3, 6, 7])
    let half = RotaryRows(headDimension: 8, turned: 4, interleaved: false)
    #expect(half.inFile(rows: 8) == [0, 1, 4, 5, 2, 3, 6, 7] && !half.isIdentity)
    #expect(RotaryRows(headDimension: 8, interleaved: false).isIdentity)
    for order in [interleaved(16), interleaved(16, 12), RotaryRows(headDimension: 16, turned: 6, interleaved: false)] {
      let (there, back) = (order.inFile(rows: 96), order.inMemory(rows: 96))
      #expect(back.map { there[$0] } == Array(0..<96))
      #expect(there != Array(0..<96))
    }
    var random = SeededGenerator(seed: 5)
    let weight = Matrix<Float>((0..<12).map { _ in Float(random.unit()) }, rows: 4, columns: 3)
    let linear = Linear(weight: weight, bias: [0, 1, 2, 3]).reorderingOutputs([2, 0, 3, 1])
    #expect(linear.weight.elements == weight.gatherRows([2, 0, 3, 1]).elements && linear.bias == [2, 0, 3, 1])
  }
}
