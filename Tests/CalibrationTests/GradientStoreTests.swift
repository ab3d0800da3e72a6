import Foundation
import LinearAlgebra
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

  @Test(arguments: BackwardPass.Scalar.allCases)
  func whatIsReadIsWhatTheBackwardPassGave(scalar: BackwardPass.Scalar) throws {
    let model = try Fixture.llama3GQA.model()
    var done: [Int] = []
    let stored = try store.saliencies(of: scalar, network: model, fingerprint: "m", windows: windows) {
      done.append($0)
    }
    #expect(done == Array(0...model.configuration.layerCount))
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
    _ = try store.saliencies(of: scalar, network: model, fingerprint: "m", windows: windows) { _ in
      Issue.record("computed again")
    }
    #expect(folder.content.count == 1)
  }

  @Test func aFailureLeavesNothing() throws {
    struct Stop: Error {}
    let model = try Fixture.llamaMHA.model()
    #expect(throws: Stop.self) {
      try store.saliencies(of: .loss, network: model, fingerprint: "m", windows: windows) { _ in throw Stop() }
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
