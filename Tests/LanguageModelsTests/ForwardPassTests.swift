import Foundation
import LinearAlgebra
import Testing

@testable import LanguageModels

@Suite struct ForwardPassTests {
  /// Many windows at once, cut into several chunks, equal each window alone.
  @Test(arguments: [1, 7, 100, 300, 600])
  func windowsDoNotDependOnEachOther(length: Int) throws {
    let model = try Fixture.llamaLinear.model()
    let count = max(3, 1300 / length)
    let windows = TokenWindows(length: length, tokens: someTokens(count * length, below: 64))
    let together = try ForwardPass(windows).hiddenStates(of: model)
    #expect(together.rows == count * length && together.columns == 32)
    for window in Set([0, 1, count / 2, count - 1]) {
      let alone = try ForwardPass(windows.windows(window..<window + 1)).hiddenStates(of: model)
      #expect(distance(together.rows(window * length..<(window + 1) * length), alone) <= 2e-5)
    }
    // A token later in a window changes nothing before it.
    if length > 1 {
      var tokens = windows.tokens
      tokens[length - 1] = (tokens[length - 1] + 1) % 64
      let changed = try ForwardPass(TokenWindows(length: length, tokens: tokens)).hiddenStates(of: model)
      #expect(distance(changed.rows(0..<length - 1), together.rows(0..<length - 1)) <= 2e-5)
      #expect(distance(changed.rows(length - 1..<length), together.rows(length - 1..<length)) > 1e-3)
    }
  }

  @Test func repeatedRunsAreBitwiseEqual() throws {
    let model = try Fixture.mistralGQA.model()
    let windows = TokenWindows(length: 50, tokens: someTokens(1500, below: 320))
    let first = try ForwardPass(windows).hiddenStates(of: model).elements
    #expect(try ForwardPass(windows).hiddenStates(of: model).elements == first)
  }

  @Test func longWindowsAgreeWithTheNaiveTransformer() throws {
    // More than two blocks of queries.
    let model = try TinyModel().open(in: TemporaryFolder())
    let tokens = someTokens(300, below: 40)
    let naive = try NaiveTransformer(model).logits(tokens)
    #expect(distance(try model.logits(tokens).elements, naive.flatMap { $0 }) <= 2e-4)
  }

  @Test(arguments: [1, 2, 5, 128, 130, 299, 300, 1000])
  func slidingWindowAgreesWithTheNaiveTransformer(window: Int) throws {
    let folder = try TemporaryFolder()
    let model = try TinyModel(config: [
      "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": .integer(window),
    ]).open(in: folder)
    #expect(model.configuration.slidingWindow == window)
    let tokens = someTokens(300, below: 40)
    let found = try model.logits(tokens)
    #expect(distance(found.elements, try NaiveTransformer(model).logits(tokens).flatMap { $0 }) <= 2e-4)
    let unlimited = try TinyModel().open(in: TemporaryFolder()).logits(tokens)
    if window < 300 {
      #expect(distance(found, unlimited) > 1e-2)
    } else {
      #expect(distance(found, unlimited) == 0)
    }
  }

  @Test(arguments: [(true, false), (false, true), (true, true)])
  func biasesAreApplied(attention: Bool, mlp: Bool) throws {
    let tiny = TinyModel(attentionBias: attention, mlpBias: mlp)
    let model = try tiny.open(in: TemporaryFolder())
    #expect(model.configuration.outputBias == attention && model.configuration.mlpBias == mlp)
    #expect(model.configuration.totalParameters == tiny.tensors.values.reduce(0) { $0 + $1.values.count })
    let tokens = someTokens(20, below: 40)
    let found = try model.logits(tokens)
    #expect(distance(found.elements, try NaiveTransformer(model).logits(tokens).flatMap { $0 }) <= 1e-4)
    // Each bias matters.
    for name in tiny.tensorNames where name.hasSuffix(".bias") && name.contains("layers.1") {
      var changed = tiny
      changed.tensors[name]?.values[1] += 1
      let moved = distance(try changed.open(in: TemporaryFolder()).logits(tokens), found)
      // A constant added to every key moves all scores of a query alike but for the rotation.
      #expect(moved > 1e-4, "\(name) has no effect")
    }
  }

  /// Layers without attention, without MLP, without both, and with widths of their own.
  @Test func layersMayLackParts() throws {
    let shapes = [
      LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 24), LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: 0),
      LayerShape(queryHeads: 0, kvHeads: 0, mlpChannels: 0), LayerShape(queryHeads: 3, kvHeads: 1, mlpChannels: 7),
      LayerShape(queryHeads: 4, kvHeads: 4, mlpChannels: 1),
    ]
    let tiny = TinyModel(layers: shapes)
    let model = try tiny.open(in: TemporaryFolder())
    #expect(model.configuration.layers == shapes)
    #expect(!model.configuration.isUniform)
    let tokens = someTokens(30, below: 40)
    let found = try model.logits(tokens)
    #expect(distance(found.elements, try NaiveTransformer(model).logits(tokens).flatMap { $0 }) <= 1e-4)
    let empty = try model.layer(2)
    #expect(empty.query.outputs == 0 && empty.down.inputs == 0 && empty.down.outputs == 16)
  }

  @Test(arguments: [-1, 64, 1_000_000] as [Int32])
  func tokensOutsideTheVocabularyAreAnError(token: Int32) throws {
    let model = try Fixture.llamaLinear.model()
    let error = ModelError.tokenOutOfRange(token: Int(token), vocabulary: 64)
    #expect(throws: error) { try model.logits([1, 2, token, 3]) }
    #expect(throws: error) { try Generator(model, sequences: 1, capacity: 4).step([token]) }
    #expect(error.description.contains("\(token)") && error.description.contains("64"))
  }

  @Test func noWindowsGiveNoStates() throws {
    let model = try Fixture.llamaLinear.model()
    let hidden = try ForwardPass(TokenWindows([])).hiddenStates(of: model)
    #expect(hidden.rows == 0 && hidden.columns == 32)
  }

  private final class Record: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [String: [[Float]]] = [:]

    func add(_ key: String, _ activations: Matrix<Float>) {
      lock.withLock { values[key, default: []].append(activations.elements) }
    }

    var content: [String: [[Float]]] { lock.withLock { values } }
  }

  /// What the observer sees is what the layer-wise functions compute; lanes see their chunks in order.
  @Test func observerSeesEveryTokenOnceInTheOrderOfItsLane() throws {
    let model = try Fixture.qwen2Bias.model()
    // Nine chunks of five windows and one of three, over four lanes.
    let windows = TokenWindows(length: 100, tokens: someTokens(4800, below: 320))
    let pass = ForwardPass(windows)
    let record = Record()
    let final = try pass.hiddenStates(of: model) { layer, tap, activations, lane in
      record.add("\(layer) \(tap) \(lane)", activations)
    }
    #expect(final.elements == (try pass.hiddenStates(of: model)).elements)
    let hidden = try pass.embed(model)
    let runner = pass.runner(for: model)
    for index in 0..<model.configuration.layerCount {
      let weights = try model.layer(index)
      func expectSeen(_ tap: ActivationTap, _ whole: Matrix<Float>) {
        for lane in 0..<ForwardPass.lanes {
          let chunks = stride(from: lane, to: 10, by: ForwardPass.lanes).map { chunk in
            whole.rows(chunk * 500..<min(4800, (chunk + 1) * 500)).elements
          }
          // Outside of the macro, which would print all numbers.
          let isSeen = record.content["\(index) \(tap) \(lane)"] == chunks
          #expect(isSeen, "layer \(index), \(tap), lane \(lane)")
        }
      }
      func normed(_ gain: [Float]) -> Matrix<Float> {
        let result = Matrix<Float>(rows: hidden.rows, columns: hidden.columns)
        for i in 0..<hidden.rows {
          Kernels.rmsNorm(
            hidden.row(i), gain: gain, epsilon: model.configuration.normEpsilon, into: result.row(i),
            count: hidden.columns)
        }
        return result
      }
      expectSeen(.attentionInput, normed(weights.attentionNorm))
      let context = try runner.inputs(of: .attention, layer: weights, hidden)
      expectSeen(.attentionContext, context)
      try runner.add(weights.output, of: context, to: hidden)
      expectSeen(.afterAttention, hidden)
      expectSeen(.mlpInput, normed(weights.mlpNorm))
      let channels = try runner.inputs(of: .mlp, layer: weights, hidden)
      expectSeen(.mlpHidden, channels)
      try runner.add(weights.down, of: channels, to: hidden)
      expectSeen(.afterMLP, hidden)
    }
    #expect(record.content.count == 3 * 6 * ForwardPass.lanes)
    try runner.normalise(hidden, gain: model.finalNorm)
    #expect(hidden.elements == final.elements)
  }

  @Test(arguments: [1, 131, 132, 133, 300])
  func headGivesTheSameLogitsBlockByBlock(tokens: Int) throws {
    let model = try Fixture.mistralGQA.model()
    let hidden = try ForwardPass(TokenWindows(length: 1, tokens: someTokens(tokens, below: 320))).hiddenStates(
      of: model)
    let expected = Matrix<Float>(rows: tokens, columns: 320)
    multiply(hidden, model.head, transposingB: true, into: expected)
    let logits = try OutputHead(model).logits(hidden)
    #expect(distance(logits, expected) <= 1e-5)
    let record = Record()
    try OutputHead(model).forEachBlock(hidden) { rows, block in
      #expect(block.rows == rows.count)
      record.add("\(rows.lowerBound)", block)
    }
    let starts = stride(from: 0, to: tokens, by: 132).map { String($0) }
    #expect(Set(record.content.keys) == Set(starts))
    #expect(starts.flatMap { record.content[$0]?.first ?? [] } == logits.elements)
  }
}

@Suite struct TokenWindowsTests {
  private let windows = TokenWindows([[1, 2, 3], [4, 5, 6], [7, 8, 9]])

  @Test func countsAndSlices() {
    #expect(windows.count == 3 && windows.length == 3)
    #expect(Array(windows[1]) == [4, 5, 6])
    #expect(windows.windows(1..<3) == TokenWindows([[4, 5, 6], [7, 8, 9]]))
    #expect(windows.selecting([2, 0, 2]) == TokenWindows([[7, 8, 9], [1, 2, 3], [7, 8, 9]]))
    #expect(windows.windows(1..<1).count == 0)
    #expect(TokenWindows([]).count == 0)
  }

  @Test func windowsAreSpreadEvenly() {
    #expect(TokenWindows.starts(of: 4, length: 10, in: 100) == [0, 30, 60, 90])
    #expect(TokenWindows.starts(of: 3, length: 10, in: 15) == [0, 2, 5])
    #expect(TokenWindows.starts(of: 1, length: 10, in: 100) == [0])
    #expect(TokenWindows.starts(of: 0, length: 1, in: 9) == [])
  }
}
