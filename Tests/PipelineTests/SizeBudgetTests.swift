import Exports
import Foundation
import LanguageModels
import Testing

@testable import Pipeline

/// Which subnet a target in bytes gets.
@Suite struct SizeBudgetTests {
  private let model: LanguageModel

  init() throws {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    model = try LanguageModel(tests.appendingPathComponent("Fixtures/models/llama3-gqa"))
  }

  private func budget(_ bytes: Int, _ type: WeightType) throws -> SizeBudget {
    try SizeBudget(.size(bytes), of: model, format: .gguf, type: type, nil)
  }

  /// A subnet of as many channels in all layers as a budget allows, one more in the first ones.
  private func made(_ budget: Int) -> SizeBudget.Made<ModelConfiguration> {
    var configuration = model.configuration
    for index in configuration.layers.indices { configuration.layers[index].mlpChannels = 0 }
    let each = 3 * configuration.hiddenSize
    let channels = max(0, (budget - configuration.blockParameters) / each)
    for index in configuration.layers.indices {
      let layers = configuration.layerCount
      configuration.layers[index].mlpChannels = min(64, channels / layers + (index < channels % layers ? 1 : 0))
    }
    return .init(subnet: configuration, configuration: configuration, record: 0)
  }

  private func channels(_ configuration: ModelConfiguration) -> Int {
    configuration.layers.reduce(0) { $0 + $1.mlpChannels }
  }

  /// With blocks of 32 channels 1 to 32 take the same bytes: all 32 stay.
  @Test func ofEqualBytesTheMostParametersWin() throws {
    var half = model.configuration
    for index in half.layers.indices { half.layers[index].mlpChannels = 32 }
    let bytes = try #require(try budget(1, .q80).bytes(of: half, record: 0))
    let whole = try #require(try budget(1, .q80).bytes(of: model.configuration, record: 0))
    #expect(whole > bytes + 2000)
    for target in [bytes, bytes + 100, bytes + 1000] {
      var notices: [String] = []
      let many = try budget(target, .q80).fitted(.many, notice: { notices.append($0) }, made)
      #expect(channels(many) == 96, "\(target): \(many.layers)")
    }
    // Not close to the target, so the attempts go to the largest.
    let few = try budget(bytes + 1000, .q80).fitted(.few, made)
    #expect(channels(few) <= 96 && channels(few) > 80, "\(few.layers)")
  }

  @Test(arguments: [WeightType.q80, .f16]) func aLargerTargetNeverGivesFewerParameters(_ type: WeightType) throws {
    let bare = try #require(try budget(1, type).bytes(of: made(0).configuration, record: 0))
    let whole = try #require(try budget(1, type).bytes(of: model.configuration, record: 0))
    var before = 0
    for target in stride(from: bare + 4000, through: whole + 4000, by: 97) {
      let found = try budget(target, type).fitted(.many, made)
      #expect(try #require(try budget(target, type).bytes(of: found, record: 0)) <= target)
      #expect(found.blockParameters >= before, "\(target)")
      before = found.blockParameters
    }
    #expect(before == model.configuration.blockParameters)
  }

  /// Who misses a target by far is told of the step.
  @Test func stepsAreNamed() throws {
    let whole = try #require(try budget(1, .q80).bytes(of: model.configuration, record: 0))
    var notices: [String] = []
    func allLayersAtOnce(_ budget: Int) -> SizeBudget.Made<Int> {
      let each = channels(made(budget).configuration) / 3
      var configuration = model.configuration
      for index in configuration.layers.indices { configuration.layers[index].mlpChannels = each }
      return .init(subnet: each, configuration: configuration, record: 0)
    }
    let each = try budget(whole - 1, .q80).fitted(.many, notice: { notices.append($0) }, allLayersAtOnce)
    #expect(each == 32)
    #expect(notices.count == 1 && notices[0].contains("blocks of 32 channels"), "\(notices)")
    #expect(notices.first?.contains("takes \(whole)") == true, "\(notices)")
  }

  /// The record of a GGUF file counts.
  @Test func recordsCount() throws {
    let budget = try budget(1 << 20, .f16)
    let bare = try #require(try budget.bytes(of: model.configuration, record: 0))
    #expect(try budget.bytes(of: model.configuration, record: 500) == bare + 500)
    // Before it is known: three layers of 64 channels of two digits and a comma.
    let estimate = try #require(try budget.bytes(of: model.configuration)) - bare
    #expect(estimate > 3 * 64 * 3 && estimate < 10_000, "\(estimate)")
    let folder = try SizeBudget(.size(1 << 20), of: model, format: .huggingFace, type: .f16, nil)
    #expect(try folder.bytes(of: model.configuration) == folder.bytes(of: model.configuration, record: 500))
  }
}
