import Checkpoints
import LinearAlgebra
import Testing

@testable import LanguageModels

/// The pass in each precision against loops that round the same factors, and the pass in bfloat16 against the one in single
/// precision. Without the processor's help bfloat16 is computed in software.
@Suite struct PrecisionTests {
  /// ‖a − b‖ / ‖b‖.
  private func error(_ a: Matrix<Float>, _ b: [Double]) -> Double {
    let pairs = zip(a.elements.map(Double.init), b)
    return (pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / pairs.reduce(0) { $0 + $1.1 * $1.1 }).squareRoot()
  }

  /// A layer has nine products one after another or side by side, and rounding errs by up to 2⁻⁹ of either factor: by no more
  /// than 18·2⁻⁹ a layer where all errors add up. The loops differ in single sums' last bits, which rounds a factor in
  /// thousands the other way: by far less than one rounding, 2⁻⁹.
  private func check(_ model: LanguageModel, length: Int, windows count: Int, naive: Bool = true) throws {
    let tokens = someTokens(count * length, below: model.configuration.vocabularySize)
    let pass = ForwardPass(TokenWindows(length: length, tokens: tokens))
    let expected = try pass.hiddenStates(of: model)
    let rounded = try pass.hiddenStates(of: model, precision: .bfloat16)
    let difference = error(rounded, expected.elements.map(Double.init))
    #expect(difference > 0 && difference < Double(18 * model.configuration.layerCount) * 0x1p-9, "\(difference)")
    guard naive else { return }
    // In single precision nothing is rounded that sums of a hundred terms would not hide.
    for (found, isRounding, limit) in [(expected, false, 0x1p-17), (rounded, true, 0x1p-9)] {
      var transformer = NaiveTransformer(model)
      transformer.isRounding = isRounding
      let loops = try (0..<count).flatMap { window in
        try transformer.hiddenStates(Array(tokens[window * length..<(window + 1) * length])).flatMap { $0 }
      }
      let rest = error(found, loops)
      #expect(rest < limit, "\(rest)")
    }
  }

  @Test(arguments: Fixture.allCases) func agreesWithSinglePrecision(_ fixture: Fixture) throws {
    // The loops know no scaled rotation.
    try check(fixture.model(), length: 50, windows: 12, naive: fixture == .mistralGQA)
  }

  /// A generator keeps keys and values in bfloat16, and attends to them with exact queries and weights.
  @Test(arguments: [Precision.single, .bfloat16]) func stepsOfAGenerator(_ precision: Precision) throws {
    let model = try TinyModel().open(in: TemporaryFolder())
    let tokens = someTokens(40, below: model.configuration.vocabularySize)
    let generator = Generator(model, sequences: 1, capacity: tokens.count, precision: precision)
    let logits = Matrix<Float>(rows: tokens.count, columns: model.configuration.vocabularySize)
    for (position, token) in tokens.enumerated() {
      logits.rows(position..<position + 1).assign(try generator.step([token]))
    }
    var transformer = NaiveTransformer(model)
    let exact = try transformer.logits(tokens).flatMap { $0 }
    transformer.isRounding = precision == .bfloat16
    transformer.roundsAttention = false
    let rest = error(logits, try transformer.logits(tokens).flatMap { $0 })
    #expect(rest < (precision == .single ? 0x1p-17 : 0x1p-9), "\(rest)")
    #expect((error(logits, exact) > 0x1p-9) == (precision == .bfloat16))
  }

  /// Blocks of queries and panels of keys are cut in the middle.
  @Test(arguments: [1, 2, 31, 47, 48, 49, 97, 300]) func lengths(_ length: Int) throws {
    try check(TinyModel().open(in: TemporaryFolder()), length: length, windows: 2)
  }

  @Test(arguments: [1, 2, 5, 32, 47, 49, 130, 299]) func slidingWindows(_ window: Int) throws {
    let model = try TinyModel(config: [
      "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": .integer(window),
    ]).open(in: TemporaryFolder())
    try check(model, length: 300, windows: 1)
  }

  @Test func biasesAndLayersThatLackParts() throws {
    try check(TinyModel(attentionBias: true, mlpBias: true).open(in: TemporaryFolder()), length: 20, windows: 3)
    let shapes = [
      LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 24), LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 0),
      LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 0), LayerShape(queryHeads: 3, kvHeads: 1, mlpChannels: 7),
    ]
    try check(TinyModel(layers: shapes).open(in: TemporaryFolder()), length: 30, windows: 2)
  }

  /// No bit depends on the other windows.
  @Test(arguments: Precision.allCases) func windowsDoNotDependOnEachOther(precision: Precision) throws {
    let model = try Fixture.mistralGQA.model()
    let windows = TokenWindows(length: 70, tokens: someTokens(700, below: 320))
    let together = try ForwardPass(windows).hiddenStates(of: model, precision: precision)
    for window in [0, 6, 9] {
      let alone = try ForwardPass(windows.windows(window..<window + 1)).hiddenStates(of: model, precision: precision)
      #expect(together.rows(window * 70..<(window + 1) * 70).elements == alone.elements)
    }
  }
}

@Suite struct OutputHeadTests {
  private func head(_ vocabulary: Int) -> Matrix<Float> {
    let head = Matrix<Float>(uninitialized: vocabulary, columns: 20)
    head.fillUniform(magnitude: 1, seed: 4)
    return head
  }

  /// Tiles of the vocabulary against all logits at once.
  @Test(arguments: [1, 511, 512, 513, 1400], Precision.allCases)
  func summariesAreThoseOfAllLogits(vocabulary: Int, precision: Precision) throws {
    let hidden = Matrix<Float>(uninitialized: 150, columns: 20)
    hidden.fillUniform(magnitude: 3, seed: 5)
    let head = head(vocabulary)
    let targets = (0..<150).map { $0 % 3 == 0 ? nil : Int32($0 * 7 % vocabulary) }
    let found = try OutputHead(head: head, precision: precision).summaries(hidden) { targets[$0] }
    if precision == .bfloat16 {
      Kernels.roundToBfloat16(hidden.pointer, count: hidden.count)
      Kernels.roundToBfloat16(head.pointer, count: head.count)
    }
    let logits = try OutputHead(head: head).logits(hidden)
    for (row, summary) in found.enumerated() {
      #expect(abs(summary.normaliser - Double(Kernels.logSumExp(logits.row(row), count: vocabulary))) <= 2e-5)
      #expect(logits[row, Int(summary.choice)] >= Kernels.maximum(logits.row(row), count: vocabulary) - 1e-5)
      #expect(abs(summary.target - (targets[row].map { logits[row, Int($0)] } ?? 0)) <= 1e-5)
    }
  }

  /// The first of equals, also where they are in different tiles.
  @Test func theFirstOfEqualsIsChosen() throws {
    let head = Matrix<Float>(rows: 1300, columns: 1)
    for token in [700, 701, 1290] { head[token, 0] = 2 }
    let found = try OutputHead(head: head).summaries(Matrix([1], rows: 1, columns: 1)) { _ in nil }
    #expect(found[0].choice == 700)
  }
}
