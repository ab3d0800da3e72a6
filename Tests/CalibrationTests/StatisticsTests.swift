import Checkpoints
import Foundation
import LanguageModels
import LinearAlgebra
import Runtime
import Synchronization
import TestSupport
import Testing

@testable import Calibration

@Suite struct StatisticsTests {
  private let folder: TemporaryFolder
  private let store: StatisticsStore

  init() throws {
    folder = try TemporaryFolder()
    store = StatisticsStore(folder: folder.url)
  }

  private func statistics(
    _ network: some Network, _ windows: TokenWindows, name: String = "set", fingerprint: String = "model"
  ) throws -> any Statistics {
    try store.statistics(name: name, of: network, fingerprint: fingerprint, windows: windows)
  }

  private func check(_ network: some Network, _ windows: TokenWindows) throws {
    let found = try statistics(network, windows)
    #expect(found.tokens == windows.tokens.count && found.layerCount == network.configuration.layerCount)
    let pass = ForwardPass(windows)
    let hidden = try pass.embed(network)
    let runner = pass.runner(for: network)
    for (index, shape) in network.configuration.layers.enumerated() {
      let (layer, weights) = (try found.layer(index), try network.layer(index))
      if shape.kvHeads > 0 {
        expectClose(
          layer.attentionInputGram.elements,
          moments(normed(hidden, weights.attentionNorm, network.configuration)).gram, relative: 3e-6)
        for (part, norm, shares) in [
          (LayerPart.query, LayerPart.allQueriesNorm, layer.queryShares), (.key, .allKeysNorm, layer.keyShares),
        ] {
          let x = normed(hidden, weights.attentionNorm, network.configuration)
          let expected = headShares(of: weights[part], x, network.configuration.headDimension)
          expectClose(shares, weights[gain: norm].isEmpty ? [] : expected, relative: 3e-6)
        }
        let context = try runner.inputs(of: .attention, layer: weights, hidden)
        let gain = weights[gain: .attentionPostNorm]
        let exact = moments(context, factors(weights.output, gain, of: context, network.configuration.normEpsilon))
        #expect(abs(layer.contextWeight / exact.weight - 1) < 3e-6)
        expectClose(layer.contextMean, exact.mean, relative: 3e-6)
        expectClose(layer.contextVariance, exact.variance, relative: 1e-5)
        expectClose(layer.contextGram.elements, exact.gram, relative: 3e-6)
        expectClose(layer.contextMagnitude, exact.magnitude, relative: 3e-6)
        expectClose(
          layer.contextSecondMoment, (0..<context.columns).map { exact.gram[$0 * context.columns + $0] }, relative: 3e-6
        )
        try runner.add(weights.output, postNorm: gain, of: context, to: hidden)
      } else {
        #expect(layer.contextGram.count == 0 && layer.contextMagnitude.isEmpty && layer.contextMean.isEmpty)
      }
      #expect(abs(layer.energyAfterAttention / energy(hidden) - 1) < 1e-6)
      if shape.mlpChannels > 0 {
        expectClose(
          layer.mlpInputGram.elements, moments(normed(hidden, weights.mlpNorm, network.configuration)).gram,
          relative: 3e-6)
        let channels = try runner.inputs(of: .mlp, layer: weights, hidden)
        let gain = weights[gain: .mlpPostNorm]
        let down = weights[toStream: .mlp]
        let exact = moments(channels, factors(down, gain, of: channels, network.configuration.normEpsilon))
        #expect(abs(layer.hiddenWeight / exact.weight - 1) < 3e-6)
        expectClose(layer.hiddenMean, exact.mean, relative: 3e-6)
        expectClose(layer.hiddenVariance, exact.variance, relative: 1e-5)
        let width = weights.hasExperts ? weights.activationsPerUnit : channels.columns
        // Experts have a block each on the diagonal.
        expectClose(
          layer.hiddenGram.elements,
          (0..<channels.columns).flatMap { i in
            (i / width * width..<(i / width + 1) * width).map { exact.gram[i * channels.columns + $0] }
          }, relative: 3e-6)
        if weights.hasExperts { expectExperts(layer, channels, down.weight) }
        expectClose(layer.hiddenMagnitude, exact.magnitude, relative: 3e-6)
        expectClose(
          layer.hiddenSecondMoment, (0..<channels.columns).map { exact.gram[$0 * channels.columns + $0] },
          relative: 3e-6)
        try runner.add(down, from: .mlp, postNorm: gain, of: channels, to: hidden)
      } else {
        #expect(layer.hiddenGram.count == 0 && layer.hiddenMagnitude.isEmpty && layer.hiddenMean.isEmpty)
      }
      #expect(abs(layer.energyAfterMLP / energy(hidden) - 1) < 1e-6)
    }
  }

  /// The use of experts, and the lengths of what they add, from the activations of all tokens.
  private func expectExperts(_ layer: LayerStatistics, _ hidden: Matrix<Float>, _ down: Matrix<Float>) {
    let experts = layer.expertUse.count
    let width = hidden.columns / experts
    var (use, lengths) = ([Double](), [Double]())
    for expert in 0..<experts {
      let own = hidden.columns(expert * width..<(expert + 1) * width)
      let output = Matrix<Float>(rows: hidden.rows, columns: down.rows)
      Linear(weight: down.columns(expert * width..<(expert + 1) * width)).apply(own, into: output)
      func square(_ row: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
        (0..<count).reduce(0) { $0 + row[$1] * row[$1] }
      }
      use.append(Double((0..<own.rows).filter { square(own.row($0), width) > 0 }.count) / Double(own.rows))
      let sum = (0..<output.rows).reduce(0.0) { $0 + Double(square(output.row($1), output.columns).squareRoot()) }
      lengths.append(sum / Double(own.rows))
    }
    #expect(use.contains { $0 < 1 } && use.allSatisfy { $0 > 0 })
    expectClose(layer.expertUse, use, relative: 1e-6)
    expectClose(layer.expertLengths, lengths, relative: 1e-5)
  }

  /// One chunk, and more chunks than lanes with an incomplete last one.
  @Test(arguments: [(3, 20), (55, 50)])
  func areTheMeansOfTheActivations(windows: Int, length: Int) throws {
    let tokens = someTokens(windows * length, below: 64)
    try check(try Fixture.llamaLinear.model(), TokenWindows(length: length, tokens: tokens))
  }

  /// Behind a norm, tokens count as much as the norm lets them through.
  @Test(arguments: Fixture.allCases) func everyFamily(fixture: Fixture) throws {
    let model = try fixture.model()
    let tokens = someTokens(22 * 30, below: model.configuration.vocabularySize)
    try check(model, TokenWindows(length: 30, tokens: tokens))
  }

  @Test func layersMayLackParts() throws {
    let network = Amputated(try Fixture.qwen2Bias.model(), withoutAttention: [0, 2], withoutMLP: [1, 2])
    try check(network, TokenWindows(length: 16, tokens: someTokens(64, below: 320)))
  }

  /// However the workers take turns, a lane's chunks arrive in order and the lanes are added in order.
  @Test(arguments: [Fixture.llamaLinear, .gemma3Scaled])
  func doNotDependOnTheOrderInWhichLanesRun(fixture: Fixture) throws {
    let model = try fixture.model()
    let windows = TokenWindows(length: 100, tokens: someTokens(5000, below: 64))
    let stored = try statistics(model, windows)
    let pass = ForwardPass(windows)
    let hidden = try pass.embed(model)
    let runner = pass.runner(for: model)
    for index in 0..<model.configuration.layerCount {
      let record = Record()
      try runner.run(layer: index, weights: model.layer(index), hidden) { _, tap, activations, lane in
        record.add(tap, activations.copy(), lane)
      }
      for order in [[3, 2, 1, 0], [1, 3, 0, 2]] {
        let collector = StatisticsCollector(
          model.configuration.layers[index], in: model.configuration, tokens: windows.tokens.count,
          chunks: runner.chunkCount, bytes: model.memory.lanes, engine: model.engine)
        for lane in order {
          let events = record.events.filter { $0.lane == lane }
          #expect(events.count >= 8)
          for event in events { collector.observe(event.tap, event.activations, lane: lane) }
        }
        let (found, expected) = (collector.finish(), try stored.layer(index))
        #expect(found.contextGram.elements == expected.contextGram.elements)
        #expect(found.hiddenGram.elements == expected.hiddenGram.elements)
        #expect(found.attentionInputGram.elements == expected.attentionInputGram.elements)
        #expect(found.mlpInputGram.elements == expected.mlpInputGram.elements)
        #expect(found.contextMean == expected.contextMean && found.hiddenMean == expected.hiddenMean)
        #expect(Float(found.contextWeight) == Float(expected.contextWeight))
        #expect(Float(found.hiddenWeight) == Float(expected.hiddenWeight))
        #expect(found.contextMagnitude == expected.contextMagnitude)
        #expect(found.hiddenMagnitude == expected.hiddenMagnitude)
        #expect(Float(found.energyAfterAttention) == Float(expected.energyAfterAttention))
        #expect(Float(found.energyAfterMLP) == Float(expected.energyAfterMLP))
      }
    }
  }

  private final class Record: @unchecked Sendable {
    private let lock = NSLock()
    private var list: [(tap: ActivationTap, activations: Matrix<Float>, lane: Int)] = []

    func add(_ tap: ActivationTap, _ activations: Matrix<Float>, _ lane: Int) {
      lock.withLock { list.append((tap, activations, lane)) }
    }

    var events: [(tap: ActivationTap, activations: Matrix<Float>, lane: Int)] { lock.withLock { list } }
  }

  private func expectSame(_ a: any Statistics, _ b: any Statistics, relative: Double) throws {
    #expect(a.layerCount == b.layerCount && a.layerCount > 0)
    for index in 0..<a.layerCount {
      let (x, y) = (try a.layer(index), try b.layer(index))
      expectClose(x.contextGram.elements, y.contextGram.elements.map(Double.init), relative: relative)
      expectClose(x.hiddenGram.elements, y.hiddenGram.elements.map(Double.init), relative: relative)
      expectClose(
        x.attentionInputGram.elements, y.attentionInputGram.elements.map(Double.init), relative: relative)
      expectClose(x.mlpInputGram.elements, y.mlpInputGram.elements.map(Double.init), relative: relative)
      expectClose(x.contextMean, y.contextMean.map(Double.init), relative: relative)
      expectClose(x.hiddenMean, y.hiddenMean.map(Double.init), relative: relative)
      expectClose(x.contextMagnitude, y.contextMagnitude.map(Double.init), relative: relative)
      expectClose(x.hiddenMagnitude, y.hiddenMagnitude.map(Double.init), relative: relative)
      expectClose(x.queryShares, y.queryShares.map(Double.init), relative: relative)
      expectClose(x.keyShares, y.keyShares.map(Double.init), relative: relative)
      #expect(abs(x.contextWeight / y.contextWeight - 1) <= max(relative, 1e-12))
      #expect(abs(x.hiddenWeight / y.hiddenWeight - 1) <= max(relative, 1e-12))
      #expect(abs(x.energyAfterAttention / y.energyAfterAttention - 1) <= max(relative, 1e-12))
      #expect(abs(x.energyAfterMLP / y.energyAfterMLP - 1) <= max(relative, 1e-12))
    }
  }

  /// Sets of one size, and of different sizes: every token counts the same.
  @Test(arguments: [(12, 12), (4, 20)], [Fixture.llamaLinear, .gemma3Scaled, .olmo2Norms])
  func mixtureIsTheStatisticsOfAllWindows(sizes: (first: Int, second: Int), fixture: Fixture) throws {
    let ((first, second), model) = (sizes, try fixture.model())
    let tokens = someTokens((first + second) * 10, below: 64)
    let one = TokenWindows(length: 10, tokens: Array(tokens.prefix(first * 10)))
    let two = TokenWindows(length: 10, tokens: Array(tokens.dropFirst(first * 10)))
    let parts = [try statistics(model, one), try statistics(model, two)]
    let mixed = MixedStatistics(name: "mix", parts)
    let together = try statistics(model, TokenWindows(length: 10, tokens: tokens))
    #expect(mixed.name == "mix" && mixed.tokens == together.tokens)
    try expectSame(mixed, together, relative: 2e-6)
    try expectSame(MixedStatistics(name: "one", [parts[0]]), parts[0], relative: 0)
    // The parts are really different.
    let (x, y) = (try parts[0].layer(0).hiddenMagnitude, try parts[1].layer(0).hiddenMagnitude)
    #expect(zip(x, y).contains { abs($0 - $1) > 0.01 * $1 })
  }

  /// What outputs lack on the prefix of a pruned network is stored, read and mixed with the rest, one of the layers without an
  /// MLP.
  @Test func whatOutputsLackIsStoredAndMixed() throws {
    let model = try Fixture.llamaLinear.model()
    let configuration = Amputated(model, withoutAttention: [], withoutMLP: [1]).configuration
    let parts = try [4, 12].map { count in
      let windows = TokenWindows(length: 10, tokens: someTokens(count * 10, below: 64, seed: UInt64(count)))
      let made = try statistics(model, windows)
      var layers: [LayerStatistics] = []
      for (index, shape) in configuration.layers.enumerated() {
        var layer = try made.layer(index)
        func lacking(_ inputs: Int) -> Matrix<Float> {
          let size = configuration.hiddenSize
          var random = SeededGenerator(seed: UInt64(count + index))
          return Matrix((0..<inputs * size).map { _ in Float(random.unit() - 0.5) }, rows: inputs, columns: size)
        }
        layer.contextLacking = lacking(layer.contextGram.rows)
        layer.hiddenLacking = lacking(shape.mlpChannels)
        if shape.mlpChannels == 0 {
          layer.hiddenGram = Matrix(rows: 0, columns: 0)
          (layer.hiddenMagnitude, layer.hiddenMean) = ([], [])
        }
        layers.append(layer)
      }
      let stored = try store.statistics(
        name: "set", around: configuration, fingerprint: "prefix", windows: windows
      ) { body in for (index, layer) in layers.enumerated() { try body(index, layer) } }
      for (index, layer) in layers.enumerated() {
        let read = try stored.layer(index)
        #expect(try #require(read.contextLacking).elements == layer.contextLacking?.elements)
        #expect(try #require(read.hiddenLacking).elements == layer.hiddenLacking?.elements)
        #expect(read.hiddenGram.elements == layer.hiddenGram.elements)
      }
      return stored
    }
    let mixed = MixedStatistics(name: "mix", parts)
    for index in 0..<mixed.layerCount {
      let (a, b, both) = (try parts[0].layer(index), try parts[1].layer(index), try mixed.layer(index))
      for lacking in [\LayerStatistics.contextLacking, \.hiddenLacking] {
        let found = try #require(both[keyPath: lacking]).elements
        let (x, y) = (try #require(a[keyPath: lacking]).elements, try #require(b[keyPath: lacking]).elements)
        #expect(found.count == x.count)
        for (found, (x, y)) in zip(found, zip(x, y)) { #expect(abs(found - (x + 3 * y) / 4) < 1e-6) }
      }
    }
    // Those of the dense network lack nothing, and so does a mixture with them.
    let dense = try statistics(model, TokenWindows(length: 10, tokens: someTokens(50, below: 64)))
    #expect(try dense.layer(0).contextLacking == nil)
    #expect(try MixedStatistics(name: "mix", [dense, parts[0]]).layer(0).contextLacking == nil)
  }

  @Test func secondTimeComesFromDisk() throws {
    let model = try Fixture.olmo2Norms.model()
    let windows = TokenWindows(length: 10, tokens: someTokens(50, below: 64))
    func read(_ name: String) throws -> (statistics: any Statistics, layers: [Int]) {
      let log = ProgressLog()
      let found = try store.statistics(
        name: name, of: model, fingerprint: "model", windows: windows, monitor: log.monitor)
      return (found, log.steps.map(\.done))
    }
    let (first, second) = (try read("a"), try read("b"))
    #expect(first.layers == [1, 2, 3] && second.layers == [])
    #expect(first.statistics.name == "a" && second.statistics.name == "b" && second.statistics.tokens == 50)
    try expectSame(first.statistics, second.statistics, relative: 0)
    #expect(folder.content.count == 1)
    _ = try statistics(model, windows, fingerprint: "other")
    _ = try statistics(model, TokenWindows(length: 5, tokens: windows.tokens))
    _ = try statistics(model, TokenWindows(length: 10, tokens: someTokens(50, below: 64, seed: 9)))
    #expect(folder.content.count == 4)
    #expect(folder.content.filter { $0.hasPrefix("model-") }.count == 3)
  }

  /// Two processes that compute the same at the same time both get it.
  @Test func anotherPassMayBeFaster() throws {
    let model = try Fixture.llamaLinear.model()
    let windows = TokenWindows(length: 10, tokens: someTokens(50, below: 64))
    let store = store
    let raced = Mutex(false)
    let monitor = Monitor { _ in
      let isFirst = raced.withLock { raced in
        defer { raced = true }
        return !raced
      }
      if isFirst { _ = try? store.statistics(name: "other", of: model, fingerprint: "model", windows: windows) }
    }
    let found = try store.statistics(
      name: "set", of: model, fingerprint: "model", windows: windows, monitor: monitor)
    #expect(raced.withLock { $0 } && folder.content.count == 1)
    try expectSame(found, statistics(model, windows, fingerprint: "again"), relative: 0)
  }

  @Test func nothingIsLeftOfAFailedPass() throws {
    let model = try Fixture.llamaLinear.model()
    #expect(throws: ModelError.tokenOutOfRange(token: 64, vocabulary: 64)) {
      try statistics(model, TokenWindows([[1, 2, 64]]))
    }
    #expect(folder.content == [])
  }

  @Test func stoppingLeavesNothingBehind() throws {
    let model = try Fixture.llamaLinear.model()
    let windows = TokenWindows(length: 10, tokens: someTokens(50, below: 64))
    let log = ProgressLog(cancellingAfter: 1)
    #expect(throws: CancellationError.self) {
      try store.statistics(name: "set", of: model, fingerprint: "model", windows: windows, monitor: log.monitor)
    }
    #expect(folder.content == [])
    _ = try statistics(model, windows).layer(1)
  }

  @Test func damagedFilesAreErrors() throws {
    let model = try Fixture.llamaLinear.model()
    let windows = TokenWindows(length: 10, tokens: someTokens(50, below: 64))
    _ = try statistics(model, windows)
    let place = folder.url.appendingPathComponent("\(folder.content[0])/layer-1.safetensors")
    let whole = try Data(contentsOf: place)
    func expectDamage(_ part: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
      let read = try statistics(model, windows)
      _ = try read.layer(0)
      let error = #expect(throws: CalibrationError.self, sourceLocation: sourceLocation) { try read.layer(1) }
      guard case .damagedCache(let path, let problem)? = error else {
        Issue.record("\(String(describing: error))", sourceLocation: sourceLocation)
        return
      }
      // The file is named, and the folder that is to be removed.
      #expect(path == place.deletingLastPathComponent().path, sourceLocation: sourceLocation)
      #expect(
        problem.contains(place.path) && problem.contains(part), "\(problem)", sourceLocation: sourceLocation)
      #expect("\(CalibrationError.damagedCache(path: path, problem: problem))".contains("remove \(path) "))
    }
    for count in [0, 7, 100, whole.count - 1] {
      try whole.prefix(count).write(to: place)
      try expectDamage(place.path)
    }
    try FileManager.default.removeItem(at: place)
    try expectDamage(place.path)
    let wrong = [TensorPlan(name: "energies", type: .f32, shape: [3])]
    try SafetensorsWriter.write(wrong, to: place) { _, write in
      try [Float](repeating: 0, count: 3).withUnsafeBufferPointer { try write($0) }
    }
    try expectDamage("'energies' has shape [3]")
    try whole.write(to: place)
    _ = try statistics(model, windows).layer(1)
  }
}
