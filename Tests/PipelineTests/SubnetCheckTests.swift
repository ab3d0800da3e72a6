import Checkpoints
import Exports
import Foundation
import LinearAlgebra
import Subnets
import Testing

@testable import LanguageModels
@testable import Pipeline

/// Which subnets `repair` is for.
@Suite struct SubnetCheckTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("subnets-\(UUID().uuidString)")
  private let dense: LanguageModel

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    dense = try LanguageModel(tests.appendingPathComponent("Fixtures/models/llama3-gqa"))
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// A checkpoint of changed layers, at most some channels of each.
  private func checkpoint(
    channels: Int? = nil, name: String = "subnet", _ edit: @escaping @Sendable (inout LayerWeights) -> Void = { _ in }
  ) throws -> LanguageModel {
    let units = dense.configuration.layers.map { shape in
      var kept = KeptUnits.all(of: shape)
      kept.channels = Array(kept.channels.prefix(channels ?? shape.mlpChannels))
      return kept
    }
    let subnet = Subnet(of: dense, keeping: units)
    let edited = Subnet(of: dense, layers: subnet.configuration.layers) { index in
      var layer = try subnet.layer(index)
      edit(&layer)
      return layer
    }
    let url = folder.appendingPathComponent(name)
    try Exporter.export(
      edited, parent: dense, record: [:], to: url, options: ExportOptions(format: .huggingFace, type: .f32))
    return try LanguageModel(url)
  }

  private func refusal(_ subnet: LanguageModel, dense: LanguageModel? = nil) -> String? {
    defer { try? FileManager.default.removeItem(at: folder) }
    do {
      try SubnetCheck(dense: dense ?? self.dense, subnet: subnet).run(.silent)
      return nil
    } catch {
      return "\(error)"
    }
  }

  /// A copy in which every second weight of a row is zero, beginning with the first.
  private static func sparse(_ weight: Matrix<Float>, of period: Int = 2) -> Matrix<Float> {
    let copy = weight.copy()
    for row in 0..<copy.rows {
      for column in stride(from: 0, to: copy.columns, by: period) { copy[row, column] = 0 }
    }
    return copy
  }

  @Test func fewerChannels() throws {
    #expect(try refusal(checkpoint(channels: 40)) == nil)
  }

  @Test func theModelItself() {
    #expect(refusal(dense)?.contains("it is the dense model itself, there is nothing to repair") == true)
  }

  @Test func nothingMissing() throws {
    let other = try checkpoint {
      $0.up.weight = $0.up.weight.copy()
      $0.up.weight[0, 0] += 1
    }
    #expect(refusal(other)?.contains("has every head and channel of") == true)
  }

  @Test(arguments: [nil, 40]) func zerosThatWouldBeFilled(_ channels: Int?) throws {
    let other = try checkpoint(channels: channels) { $0.down.weight = Self.sparse($0.down.weight) }
    let text = refusal(other)
    #expect(text?.contains("'model.layers.0.mlp.down_proj.weight' is 50.0 % zeros") == true, "\(text ?? "")")
    let count = (channels ?? 64) * 32
    #expect(text?.contains("(\(count / 2) of \(count))") == true, "\(text ?? "")")
  }

  /// A few zeros by chance, and channels that the dense model pads with.
  @Test func zerosThatAreNoSparsity() throws {
    let few = try checkpoint(channels: 40) {
      $0.gate.weight = $0.gate.weight.copy()
      $0.gate.weight[3, 7] = 0
    }
    #expect(refusal(few) == nil)
  }

  @Test func paddingOfTheDenseModel() throws {
    let pad: @Sendable (inout LayerWeights) -> Void = { layer in
      layer.gate.weight = layer.gate.weight.copy()
      for column in 0..<layer.gate.inputs { for row in 0..<8 { layer.gate.weight[row, column] = 0 } }
    }
    let padded = try checkpoint(name: "dense", pad)
    #expect(refusal(try checkpoint(channels: 40, pad), dense: padded) == nil)
  }

  @Test func otherSettings() throws {
    let url = try checkpoint(channels: 40).location
    let file = url.appendingPathComponent("config.json")
    let whole = try #require(JSONValue.read(file).object)
    for (key, value, words) in [
      ("rms_norm_eps", JSONValue.number(0.01), "norm epsilon is 0.01"),
      ("rope_theta", .number(77), "its rotary embedding is another"),
    ] {
      var config = whole
      config[key] = value
      if key == "rope_theta" {
        config["rope_parameters"] = nil
        config["rope_scaling"] = nil
      }
      try Data(JSONValue.object(config).text().utf8).write(to: file)
      do {
        try SubnetCheck(dense: dense, subnet: LanguageModel(url)).run(.silent)
        Issue.record("\(key) was not looked at")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
    }
    try? FileManager.default.removeItem(at: folder)
  }

  @Test func zerosAreCounted() {
    let matrix = Matrix<Float>(rows: 3, columns: 37)
    for row in 0..<3 { for column in 0..<37 { matrix[row, column] = Float(row * 37 + column) - 40 } }
    #expect(matrix.zeroCount == 1 && matrix.countInZeroLines == 0)
    for column in 0..<37 { matrix[1, column] = column == 5 ? -0.0 : 0 }
    #expect(matrix.zeroCount == 37)
    #expect(matrix.countInZeroLines == 37)
    for row in 0..<3 { matrix[row, 36] = 0 }
    #expect(matrix.zeroCount == 39)
    #expect(matrix.countInZeroLines == 39)
  }
}
