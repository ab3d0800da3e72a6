import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import TestSupport
import Testing
import Tokenizers

@testable import Calibration

@Suite struct CalibrationSetTests {
  private func plan(_ windows: Int, _ length: Int, _ fitnessWindows: Int, _ fitnessLength: Int) -> CalibrationSet.Plan {
    .init(windows: windows, length: length, fitnessWindows: fitnessWindows, fitnessLength: fitnessLength)
  }

  /// Every token is its own place in the text.
  private func cut(_ count: Int, _ plan: CalibrationSet.Plan, seed: UInt64 = 1) throws -> CalibrationSet {
    try CalibrationSet(name: "text", tokens: (0..<count).map { Int32($0) }, plan: plan, seed: seed)
  }

  @Test(arguments: [(10, 8, 3, 8), (6, 16, 4, 4), (7, 4, 3, 12), (5, 10, 4, 3), (5, 3, 2, 10), (4, 8, 0, 8)])
  func windowsAreDisjointStretchesOfTheText(windows: Int, length: Int, fitness: Int, fitnessLength: Int) throws {
    let set = try cut(1000, plan(windows, length, fitness, fitnessLength))
    #expect(set.name == "text")
    #expect(set.calibration.count == windows && set.calibration.length == length)
    #expect(set.fitness.count == fitness && (fitness == 0 || set.fitness.length == fitnessLength))
    for (all, length) in [(set.calibration, length), (set.fitness, fitnessLength)] {
      for window in 0..<all.count {
        let first = all[window].first ?? -1
        #expect(Array(all[window]) == (first..<first + Int32(length)).map { $0 })
      }
    }
    let tokens = set.calibration.tokens + set.fitness.tokens
    #expect(Set(tokens).count == tokens.count)
  }

  @Test func seedDecidesWhichStretches() throws {
    let some = plan(5, 20, 3, 20)
    let first = try cut(2000, some)
    let (again, other) = (try cut(2000, some), try cut(2000, some, seed: 2))
    #expect(again.calibration == first.calibration && again.fitness == first.fitness)
    #expect(other.calibration != first.calibration && other.fitness != first.fitness)
    // Not simply the start of the text.
    #expect((first.calibration.tokens.max() ?? 0) > 500)
  }

  @Test func shortTextsGiveFitnessAQuarter() throws {
    let set = try cut(100, plan(50, 10, 50, 10))
    #expect(set.fitness.count == 2 && set.calibration.count == 8)
    let least = try cut(20, plan(50, 10, 50, 10))
    #expect(least.fitness.count == 1 && least.calibration.count == 1)
    // Enough for both: nobody gets more than asked for.
    let plenty = try cut(100, plan(2, 10, 1, 10))
    #expect(plenty.fitness.count == 1 && plenty.calibration.count == 2)
  }

  @Test func tooShortTextIsAnError() {
    for (count, length, fitnessLength) in [(0, 10, 10), (19, 10, 10), (10, 5, 10)] {
      let error = CalibrationError.tooShort(source: "text", tokens: count, window: 10, needed: 2)
      #expect(throws: error) { try cut(count, plan(5, length, 5, fitnessLength)) }
      #expect(error.description.contains("\(count) tokens") && error.description.contains("text"))
    }
  }

  @Test func beginningOfTextStandsOnlyBeforeTheStart() throws {
    let llama = try Fixture.llamaMHA.model().tokenizer()
    let text = "The lamp.\nThe sea."
    #expect(llama.runningTokens(text) == [1] + llama.encode(text, addSpecialTokens: false))
    let qwen = try Fixture.qwen2Bias.model().tokenizer()
    #expect(qwen.runningTokens(text) == qwen.encode(text, addSpecialTokens: false))
  }
}

/// Windows that the model writes itself.
@Suite struct SampledSetTests {
  private let plan = CalibrationSet.Plan(windows: 5, length: 12, fitnessWindows: 4, fitnessLength: 6)

  private func sample(
    _ fixture: Fixture = .llamaMHA, _ plan: CalibrationSet.Plan? = nil, seed: UInt64 = 3,
    precision: Precision = .single
  ) throws -> CalibrationSet {
    let model = try fixture.model()
    return try CalibrationSet(
      sampledFrom: model, tokenizer: model.tokenizer(), plan: plan ?? self.plan, seed: seed, precision: precision)
  }

  @Test func hasTheWindowsAskedFor() throws {
    for (length, fitnessLength) in [(12, 6), (12, 12), (12, 5), (6, 9)] {
      let plan = CalibrationSet.Plan(windows: 5, length: length, fitnessWindows: 4, fitnessLength: fitnessLength)
      let set = try sample(.llamaMHA, plan)
      #expect(set.name == "self")
      #expect(set.calibration.count == 5 && set.calibration.length == length)
      #expect(set.fitness.count == 4 && set.fitness.length == fitnessLength)
    }
  }

  @Test func seedDecidesTheText() throws {
    let first = try sample()
    let (again, other) = (try sample(), try sample(seed: 4))
    #expect(again.calibration == first.calibration && again.fitness == first.fitness)
    #expect(other.calibration != first.calibration && other.fitness != first.fitness)
    let windows = (0..<5).map { Array(first.calibration[$0]) }
    #expect(Set(windows).count == 5)
  }

  /// Rounded logits draw other tokens now and then.
  @Test func precisionIsThatOfTheModelWhileItWrites() throws {
    let plan = CalibrationSet.Plan(windows: 40, length: 20, fitnessWindows: 5, fitnessLength: 10)
    let (single, rounded) = (try sample(.llama3GQA, plan), try sample(.llama3GQA, plan, precision: .bfloat16))
    let different = (0..<40).count { Array(single.calibration[$0]) != Array(rounded.calibration[$0]) }
    #expect((1..<30).contains(different), "\(different)")
  }

  @Test(arguments: [Fixture.llamaMHA, .llama3GQA, .qwen2Bias])
  func startsWithPlainTextAndHasNoSpecialTokens(fixture: Fixture) throws {
    let tokenizer = try fixture.model().tokenizer()
    let set = try sample(fixture, .init(windows: 40, length: 20, fitnessWindows: 5, fitnessLength: 10))
    #expect(set.calibration.count == 40)
    #expect((set.calibration.tokens + set.fitness.tokens).allSatisfy { !tokenizer.isSpecial($0) })
    let starts = (0..<40).compactMap { set.calibration[$0].first }
    #expect(Set(starts).count > 10)
    for start in starts {
      let text = tokenizer.decode([start], skipSpecialTokens: false)
      #expect(!text.isEmpty && text.allSatisfy { $0.isLetter || $0 == " " }, "'\(text)'")
    }
  }

  @Test func progressEndsAtTheTotal() throws {
    let model = try Fixture.llamaMHA.model()
    let log = ProgressLog()
    let plan = CalibrationSet.Plan(windows: 40, length: 4, fitnessWindows: 2, fitnessLength: 2)
    _ = try CalibrationSet(
      sampledFrom: model, tokenizer: model.tokenizer(), plan: plan, seed: 0, monitor: log.monitor)
    let seen = log.steps
    #expect(seen.allSatisfy { $0.total == 41 * 4 && $0.done <= $0.total } && !seen.isEmpty)
    #expect(seen.map(\.done) == seen.map(\.done).sorted())
  }

  @Test func mayBeStopped() throws {
    let model = try Fixture.llamaMHA.model()
    let log = ProgressLog(cancellingAfter: 3)
    #expect(throws: CancellationError.self) {
      try CalibrationSet(
        sampledFrom: model, tokenizer: model.tokenizer(), plan: plan, seed: 0, monitor: log.monitor)
    }
    #expect(log.steps.count == 3)
  }

  /// A model whose embedding has rows for ids that no token has, as many are padded.
  @Test func idsWithoutATokenAreNeverDrawn() throws {
    let folder = try TemporaryFolder()
    let fixture = Fixture.llamaMHA
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(
        at: fixture.folder.appendingPathComponent(name), to: folder.url.appendingPathComponent(name))
    }
    var config = try HuggingFaceConfig(directory: fixture.folder).members
    config["vocab_size"] = 400
    _ = try folder.write(JSONValue.object(config).text(), to: "config.json")
    let source = try fixture.model().checkpoint
    func values(_ name: String) throws -> [Float] {
      let values = try source.tensor(name).floats()
      guard ["model.embed_tokens.weight", "lm_head.weight"].contains(name) else { return values }
      // Rows that would often win.
      return values + someTokens(80 * 32, below: 7).map { Float($0) - 3 }
    }
    let plans = try source.tensorNames.map { name in
      let count = try values(name).count
      let shape = try source.tensor(name).shape
      return TensorPlan(name: name, type: .f32, shape: [count / shape.dropFirst().reduce(1, *)] + shape.dropFirst())
    }
    try SafetensorsWriter.write(plans, toDirectory: folder.url) { plan, write in
      try values(plan.name).withUnsafeBufferPointer { try write($0) }
    }
    let model = try LanguageModel(folder.url)
    #expect(model.configuration.vocabularySize == 400)
    let set = try CalibrationSet(sampledFrom: model, tokenizer: model.tokenizer(), plan: plan, seed: 1)
    #expect(set.calibration.tokens.count == 60)
    #expect((set.calibration.tokens + set.fitness.tokens).allSatisfy { $0 < 320 })
  }
}
