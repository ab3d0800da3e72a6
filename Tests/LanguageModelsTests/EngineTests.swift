import Foundation
import LinearAlgebra
import Synchronization
import Testing

@testable import LanguageModels

/// What every engine must do: each operation on tiny random models, against another engine that shares no code with it.
///
/// A new engine joins `engines` and must pass all of these.
@Suite struct EngineConformance {
  static let engines: [any Engine] = [CPUEngine(), NaiveEngine()]

  /// The engine that another one is compared with.
  private static func reference(for engine: any Engine) -> any Engine {
    engine.name == "naive" ? CPUEngine() : NaiveEngine()
  }

  private let folder: TemporaryFolder
  private let windows = TokenWindows(length: 6, tokens: someTokens(18, below: 40))

  init() throws { folder = try TemporaryFolder() }

  /// Two layers of different widths with biases, or two of OLMo 2: norms behind attention and MLP and over all heads.
  private func tiny(
    _ engine: any Engine, sliding: Bool = false, isNarrow: Bool = false, isOLMo: Bool = false
  ) throws -> LanguageModel {
    let layers = [
      LayerShape(queryHeads: 4, kvHeads: 2, mlpChannels: isNarrow ? 3 : 24),
      LayerShape(queryHeads: 2, kvHeads: 1, mlpChannels: 5),
    ]
    let name = (isOLMo ? "olmo-" : "") + (isNarrow ? "narrow" : sliding ? "sliding" : "plain")
    let url = folder.url.appendingPathComponent(name)
    if !FileManager.default.fileExists(atPath: url.path) {
      let model =
        isOLMo
        ? .olmo2(channels: isNarrow ? 3 : 24)
        : sliding
          ? TinyModel(config: [
            "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 4,
          ]) : TinyModel(layers: layers, attentionBias: true, mlpBias: true)
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      try model.write(to: url)
    }
    return try LanguageModel(url, engine: engine)
  }

  private func expectNear(
    _ found: Matrix<Float>, _ expected: Matrix<Float>, _ tolerance: Float = 1e-4,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(found.rows == expected.rows && found.columns == expected.columns, sourceLocation: sourceLocation)
    let scale = expected.elements.reduce(1e-3) { max($0, abs($1)) }
    let difference = zip(found.elements, expected.elements).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
    #expect(difference <= tolerance * scale, sourceLocation: sourceLocation)
  }

  @Test(arguments: engines, [false, true]) func trees(_ engine: any Engine, sliding: Bool) throws {
    let other = try tiny(Self.reference(for: engine), sliding: sliding)
    let stem = someTokens(9, below: 40)
    let batches = TokenTrees.batches(of: [stem + [1, 2], stem + [1, 3, 5], stem + [4]], for: other.configuration)
    for batch in batches {
      let rows = Array(batch.tokens.indices)
      let found = try batch.hiddenStates(of: tiny(engine, sliding: sliding), rows: rows)
      expectNear(found, try batch.hiddenStates(of: other, rows: rows))
    }
  }

  @Test(arguments: engines, [false, true]) func hiddenStates(_ engine: any Engine, sliding: Bool) throws {
    let other = try tiny(Self.reference(for: engine), sliding: sliding)
    let found = try ForwardPass(windows).hiddenStates(of: tiny(engine, sliding: sliding))
    expectNear(found, try ForwardPass(windows).hiddenStates(of: other))
  }

  /// Streams that go through layers of their own do not mix, and prepared layers do what plain ones do.
  @Test(arguments: engines) func streamsKeepApart(_ engine: any Engine) throws {
    let model = try tiny(engine)
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: model, streams: 2)
    let streams = [try pass.embed(model), try pass.embed(model)]
    let alone = [try pass.embed(model), try pass.embed(model)]
    let layers = try [model.layer(0), model.layer(1)]
    try runner.run(
      zip(layers, streams).map { (engine.prepare($0, of: model.configuration, .single), $1) })
    for place in 0..<2 {
      try runner.run(layer: place, weights: layers[place], alone[place])
      expectNear(streams[place], alone[place], 1e-6)
    }
    #expect(engine.bytes(ofPrepared: model.configuration.layers[0], in: model.configuration, .single) > 0)
  }

  /// Every tap sees all tokens, chunk after chunk within a lane.
  @Test(arguments: engines, [false, true]) func observersSeeAllActivations(_ engine: any Engine, isOLMo: Bool) throws {
    func seen(_ engine: any Engine) throws -> [String: Matrix<Float>] {
      let model = try tiny(engine, isOLMo: isOLMo)
      let pass = ForwardPass(windows)
      let runner = pass.runner(for: model)
      let hidden = try pass.embed(model)
      let gathered = Mutex<[String: [Float]]>([:])
      try runner.run(layer: 0, weights: model.layer(0), hidden, lanes: 1) { _, tap, activations, lane in
        #expect(lane == 0)
        gathered.withLock { $0["\(tap)", default: []] += activations.elements }
      }
      return gathered.withLock {
        $0.mapValues { Matrix($0, rows: windows.tokens.count, columns: $0.count / windows.tokens.count) }
      }
    }
    let (found, expected) = (try seen(engine), try seen(Self.reference(for: engine)))
    #expect(Set(found.keys) == Set(expected.keys) && found.count == (isOLMo ? 10 : 6))
    for (tap, matrix) in expected { expectNear(try #require(found[tap]), matrix) }
  }

  @Test(arguments: engines, [false, true]) func modulesInPieces(_ engine: any Engine, isOLMo: Bool) throws {
    let model = try tiny(engine, isOLMo: isOLMo)
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: model)
    let (whole, pieces) = (try pass.embed(model), try pass.embed(model))
    let weights = try model.layer(1)
    try runner.run(layer: 1, weights: weights, whole)
    for module in LayerPart.Module.allCases {
      try runner.add(
        weights[module.output], postNorm: weights[gain: module.postNorm],
        of: runner.inputs(of: module, layer: weights, pieces), to: pieces)
    }
    expectNear(pieces, whole, 1e-6)
  }

  @Test(arguments: engines, BackwardPass.Scalar.allCases)
  func gradients(_ engine: any Engine, of scalar: BackwardPass.Scalar) throws {
    try gradients(engine, of: scalar, isOLMo: false)
    // A layer does not know of what the gradient is.
    if scalar == .loss { try gradients(engine, of: scalar, isOLMo: true) }
  }

  private func gradients(_ engine: any Engine, of scalar: BackwardPass.Scalar, isOLMo: Bool) throws {
    // Central differences are slow: few windows, narrow layers.
    let windows = TokenWindows(length: 4, tokens: someTokens(8, below: 40))
    func gathered(_ engine: any Engine) throws -> [String: Matrix<Float>] {
      var all: [String: Matrix<Float>] = [:]
      let model = try tiny(engine, isNarrow: true, isOLMo: isOLMo)
      try BackwardPass(windows).run(model, of: scalar, parts: [.squares, .outputMoments]) { layer in
        for (place, matrix) in (layer.gradients?.parts ?? []).enumerated() {
          all["\(layer.index) gradient \(place)"] = matrix.copy()
        }
        for (place, matrix) in (layer.squares?.parts ?? []).enumerated() {
          all["\(layer.index) squares \(place)"] = matrix.copy()
        }
        all["\(layer.index) attention"] = layer.outputMoments?.attention.copy()
        all["\(layer.index) mlp"] = layer.outputMoments?.mlp.copy()
      }
      return all
    }
    let (found, expected) = (try gathered(engine), try gathered(Self.reference(for: engine)))
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, matrix) in expected where matrix.count > 0 { expectNear(try #require(found[name]), matrix, 2e-3) }
  }

  @Test(arguments: engines) func logitsAndTheirSummaries(_ engine: any Engine) throws {
    let model = try tiny(engine)
    let hidden = try ForwardPass(windows).hiddenStates(of: model)
    let target: @Sendable (Int) -> Int32? = { $0 % 3 == 0 ? nil : Int32($0) }
    let head = engine.head(model.head, cap: nil, .single)
    let other = Self.reference(for: engine).head(model.head, cap: nil, .single)
    expectNear(try head.logits(hidden, vocabulary: 40), try other.logits(hidden, vocabulary: 40), 1e-5)
    for (found, expected) in zip(
      try head.summaries(hidden, target: target), try other.summaries(hidden, target: target))
    {
      #expect(abs(found.normaliser - expected.normaliser) < 1e-5 && found.choice == expected.choice)
      #expect(abs(found.target - expected.target) < 1e-5)
    }
  }

  @Test(arguments: engines) func gramsAndFactors(_ engine: any Engine) throws {
    let other = Self.reference(for: engine)
    let x = Matrix<Float>(rows: 30, columns: 7)
    x.fillUniform(magnitude: 1, seed: 3)
    func gram(_ engine: any Engine) -> Matrix<Float> {
      let sum = Matrix<Float>(rows: 7, columns: 7)
      engine.addGram(of: x.rows(0..<10), to: sum)
      engine.addGram(of: x.rows(10..<30), to: sum)
      mirrorUpperTriangle(sum)
      return sum
    }
    expectNear(gram(engine), gram(other), 1e-5)
    let (one, two) = (try engine.factor(gram(engine).widened()), try other.factor(gram(other).widened()))
    #expect(one.order == 7 && two.order == 7)
    func changed(_ rows: Int, _ body: (Matrix<Double>) -> Void) -> Matrix<Float> {
      let b = Matrix<Double>((0..<rows * 3).map { Double($0 * $0 % 11) - 4 }, rows: rows, columns: 3)
      body(b)
      return Matrix(b.elements.map(Float.init), rows: rows, columns: 3)
    }
    expectNear(changed(7, one.multiplyTransposed), changed(7, two.multiplyTransposed), 1e-4)
    // A prefix of the factor is the factor of the prefix.
    for rows in [7, 4, 1] {
      expectNear(changed(rows, one.solveLower), changed(rows, two.solveLower), 1e-4)
      expectNear(changed(rows, one.solveLowerTransposed), changed(rows, two.solveLowerTransposed), 1e-4)
    }
    let indefinite = Matrix<Double>([1, 2, 2, 1], rows: 2, columns: 2)
    #expect(throws: (any Error).self) { try engine.factor(indefinite) }
  }

  @Test(arguments: engines, [false, true]) func decoding(_ engine: any Engine, sliding: Bool) throws {
    let model = try tiny(engine, sliding: sliding)
    let tokens = (0..<3).map { Array(windows[$0]) }
    let decoder = engine.decoder(model, sequences: 3, capacity: 6, .single)
    let pass = ForwardPass(windows)
    let logits = try engine.head(model.head, cap: nil, .single)
      .logits(pass.hiddenStates(of: model), vocabulary: model.head.rows)
    for position in 0..<6 {
      let step = try decoder.step(tokens.map { $0[position] })
      for sequence in 0..<3 {
        let row = sequence * 6 + position
        expectNear(step.rows(sequence..<sequence + 1), logits.rows(row..<row + 1))
      }
    }
  }

  /// Runs that are read at once, and sequences that go on at places of their own.
  @Test(arguments: engines, [false, true]) func reading(_ engine: any Engine, sliding: Bool) throws {
    let model = try tiny(engine, sliding: sliding)
    let tokens = (0..<3).map { Array(windows[$0]) }
    let logits = try engine.head(model.head, cap: nil, .single)
      .logits(ForwardPass(windows).hiddenStates(of: model), vocabulary: model.head.rows)
    let decoder = engine.decoder(model, sequences: 3, capacity: 6, .single)
    #expect(try decoder.read([tokens[0][..<4], [], tokens[2][..<2]]) { true })
    for places in [[4, 0, 2], [nil, 1, 3], [5, 2, nil], [nil, 3, nil], [nil, nil, 4]] as [[Int?]] {
      let step = try decoder.step(zip(tokens, places).map { tokens, place in place.map { tokens[$0] } })
      let fed = places.enumerated().compactMap { sequence, place in place.map { sequence * 6 + $0 } }
      #expect(step.rows == fed.count)
      for (row, place) in fed.enumerated() { expectNear(step.rows(row..<row + 1), logits.rows(place..<place + 1)) }
    }
    #expect(try !engine.decoder(model, sequences: 1, capacity: 6, .single).read([tokens[0][..<4]]) { false })
  }
}
