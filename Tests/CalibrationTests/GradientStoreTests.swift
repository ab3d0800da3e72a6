import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Calibration
@testable import LanguageModels

@Suite struct GradientStoreTests {
  private let folder: TemporaryFolder
  private let store: GradientStore
  private let windows = TokenWindows(length: 12, tokens: someTokens(60, below: 256))

  init() throws {
    folder = try TemporaryFolder()
    store = GradientStore(folder: folder.url)
  }

  @Test(arguments: BackwardPass.Scalar.allCases, [Fixture.llama3GQA, .olmo2Norms])
  func whatIsReadIsWhatTheBackwardPassGave(scalar: BackwardPass.Scalar, fixture: Fixture) throws {
    let model = try fixture.model()
    let log = ProgressLog()
    let stored = try store.saliencies(
      of: scalar, network: model, fingerprint: "m", windows: windows, monitor: log.monitor)
    #expect(log.steps.map(\.done) == Array(0...model.configuration.layerCount))
    var layers = 0
    try BackwardPass(windows).run(model, of: scalar, parts: GradientStore.parts(of: scalar)) { layer in
      layers += 1
      let (found, expected) = (try stored.layer(layer.index), LayerSaliencies(layer))
      let parts: [KeyPath<LayerSaliencies, Saliencies>] = [\.query, \.key, \.value, \.output, \.gate, \.up, \.down]
      for part in parts { #expect(found[keyPath: part] == expected[keyPath: part]) }
      #expect(found.query.first.isEmpty == (scalar == .sampledLoss))
      #expect(found.query.second.isEmpty == (scalar != .loss))
      #expect((found.outputMoments == nil) == (scalar != .sampledLoss))
      #expect(found.outputMoments?.mlp.elements == expected.outputMoments?.mlp.elements)
      #expect(found.outputMoments?.attention.elements == expected.outputMoments?.attention.elements)
    }
    #expect(layers == model.configuration.layerCount)
    // From disk now: nothing is computed.
    let silence = ProgressLog()
    _ = try store.saliencies(
      of: scalar, network: model, fingerprint: "m", windows: windows, monitor: silence.monitor)
    #expect(silence.steps.isEmpty)
    #expect(folder.content.count == 1)
  }

  /// With one window of two tokens only the first predicts, so at the last layer its gradient alone is left: that of a
  /// weight is `g xᵀ`. The moments are those of `g` where the norm has divided.
  @Test(arguments: [Fixture.gemma2Caps, .gemma3Local, .gemma3Scaled, .olmo2Norms, .glm4Norms])
  func momentsBehindANormAreThoseOfItsQuotient(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = TokenWindows(length: 2, tokens: [3, 11])
    let last = model.configuration.layerCount - 1
    let pass = ForwardPass(windows)
    let (hidden, runner) = (try pass.embed(model), pass.runner(for: model))
    for index in 0..<last { try runner.run(layer: index, weights: model.layer(index), hidden) }
    try BackwardPass(windows, scratch: folder.url).run(model, parts: [.weights, .outputMoments]) { layer in
      if layer.index < last { return }
      let (gradients, moments) = (try #require(layer.gradients), try #require(layer.outputMoments))
      for (module, found) in [(LayerPart.Module.attention, moments.attention), (.mlp, moments.mlp)] {
        let (projection, weights) = (layer.weights[module.output], layer.weights)
        let x = try runner.inputs(of: module, layer: weights, hidden)
        let output = Matrix<Float>(rows: 2, columns: projection.outputs)
        projection.apply(x, into: output)
        try runner.add(projection, postNorm: weights[gain: module.postNorm], of: x, to: hidden)
        func square(_ row: UnsafeMutablePointer<Float>, _ count: Int) -> Double {
          (0..<count).reduce(0.0) { $0 + Double(row[$1]) * Double(row[$1]) }
        }
        let size =
          (square(output.row(0), output.columns) / Double(output.columns) + Double(model.configuration.normEpsilon))
          .squareRoot()
        let slope = gradients[module.output].weight
        let quotient = (0..<slope.rows).map { i in
          size * (0..<x.columns).reduce(0.0) { $0 + Double(slope[i, $1]) * Double(x[0, $1]) }
            / square(x.row(0), x.columns)
        }
        let largest = quotient.map(abs).max() ?? 0
        #expect(largest > 1e-4 && found.rows == quotient.count)
        let worst = quotient.indices.flatMap { i in
          quotient.indices.map { j in abs(Double(found[i, j]) - quotient[i] * quotient[j] / 2) }
        }.max()
        #expect(try #require(worst) <= 1e-3 * largest * largest)
      }
    }
  }

  /// The first windows of two sets, whose statistics were gathered before: what their pass recorded serves as well as a
  /// pass over those windows, which cuts them differently.
  @Test func recordedResidualsGiveTheSame() throws {
    let model = try Fixture.llama3GQA.model()
    let sets = [windows, TokenWindows(length: 12, tokens: someTokens(1200, below: 256, seed: 2))]
    let statistics = StatisticsStore(folder: folder.url)
    let recorded = try sets.map { windows in
      let record = ResidualRecord(tokens: 36)
      _ = try statistics.statistics(name: "set", of: model, fingerprint: "m", windows: windows, record: record)
      #expect(record.count == model.configuration.layerCount + 1)
      return (record: record, tokens: 24)
    }
    let first = TokenWindows(length: 12, tokens: sets.flatMap { $0.tokens.prefix(24) })
    let found = try store.saliencies(
      of: .sampledLoss, network: model, fingerprint: "recorded", windows: first, recorded: recorded)
    let expected = try store.saliencies(of: .sampledLoss, network: model, fingerprint: "m", windows: first)
    for index in 0..<model.configuration.layerCount {
      let (mine, other) = (try #require(found.layer(index).outputMoments), try expected.layer(index).outputMoments)
      #expect(mine.attention.elements == other?.attention.elements && mine.mlp.elements == other?.mlp.elements)
    }
    // From disk the second time: nothing runs, nothing is recorded.
    let unused = ResidualRecord(tokens: 36)
    _ = try statistics.statistics(name: "set", of: model, fingerprint: "m", windows: windows, record: unused)
    #expect(unused.count == 0)
  }

  @Test func aFailureLeavesNothing() throws {
    let model = try Fixture.llamaMHA.model()
    let log = ProgressLog(cancellingAfter: 1)
    #expect(throws: CancellationError.self) {
      try store.saliencies(of: .loss, network: model, fingerprint: "m", windows: windows, monitor: log.monitor)
    }
    #expect(folder.content == [])
  }

  @Test func damageIsNamed() throws {
    let model = try Fixture.llamaMHA.model()
    let stored = try store.saliencies(of: .loss, network: model, fingerprint: "m", windows: windows)
    let place = folder.url.appendingPathComponent(folder.content[0])
    try Data("no".utf8).write(to: place.appendingPathComponent("layer-0.safetensors"))
    do {
      _ = try stored.layer(0)
      Issue.record("read")
    } catch let error as CalibrationError {
      #expect(error.description.contains(place.path) && error.description.contains("layer-0"))
    }
  }
}
