import Foundation
import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

extension Fixture {
  static let behindNorms: [Fixture] = [.gemma2Caps, .gemma3Local, .gemma3Scaled, .olmo2Norms, .glm4Norms]
  static let withExperts: [Fixture] = [.qwen3moeSix, .olmoeFive, .mixtralFour, .gptossSinks]
  /// Those whose experts may keep some of their channels.
  static let withNarrowExperts = withExperts.filter { $0 != .gptossSinks }
  static let dense = allCases.filter { !withExperts.contains($0) }
}

/// Repair of layers of every family, measured on the stream.
@Suite struct FamilyRepairTests {
  /// A layer of a model, the stream before each of its modules, and the inputs of the modules' projections.
  private struct Subject {
    let model: LanguageModel
    let index: Int
    let scored: ScoredLayer
    let streams: [LayerPart.Module: Matrix<Float>]
    let runner: any EnginePass

    init(_ fixture: Fixture, layer index: Int) throws {
      (model, self.index) = (try fixture.model(), index)
      let windows = TokenWindows(length: 30, tokens: someTokens(900, below: model.configuration.vocabularySize))
      scored = try ScoredLayer(
        index, of: model, for: nil, statistics: GatheredStatistics(model, windows, name: "set"))
      let pass = ForwardPass(windows)
      let (hidden, runner) = (try pass.embed(model), pass.runner(for: model))
      for before in 0..<index { try runner.run(layer: before, weights: model.layer(before), hidden) }
      let (first, weights) = (hidden.copy(), scored.weights)
      try runner.add(
        weights.output, postNorm: weights[gain: .attentionPostNorm],
        of: runner.inputs(of: .attention, layer: weights, hidden), to: hidden)
      (streams, self.runner) = ([.attention: first, .mlp: hidden], runner)
    }

    /// The inputs and the outputs of a module's projection.
    func run(_ module: LayerPart.Module, _ weights: LayerWeights) throws -> (x: Matrix<Float>, y: Matrix<Float>) {
      let x = try runner.inputs(of: module, layer: weights, streams[module] ?? Matrix(rows: 0, columns: 0))
      let y = Matrix<Float>(rows: x.rows, columns: weights[module.output].outputs)
      weights[module.output].apply(x, into: y)
      return (x, y)
    }

    /// What a norm behind a module divides the dense outputs by; 1 without one.
    func sizes(_ module: LayerPart.Module) throws -> [Double] {
      let y = try run(module, scored.weights).y
      if scored.weights[gain: module.postNorm].isEmpty { return Array(repeating: 1, count: y.rows) }
      return (0..<y.rows).map { token in
        let square = (0..<y.columns).reduce(0.0) { $0 + Double(y[token, $1]) * Double(y[token, $1]) }
        return (square / Double(y.columns) + Double(model.configuration.normEpsilon)).squareRoot()
      }
    }

    /// The mean squared error of a module's outputs, to first order behind its norm.
    func error(_ module: LayerPart.Module, _ weights: LayerWeights) throws -> Double {
      let (dense, found, sizes) = (try run(module, scored.weights).y, try run(module, weights).y, try sizes(module))
      let gain = scored.weights[gain: module.postNorm]
      var sum = 0.0
      for token in 0..<dense.rows {
        for j in 0..<dense.columns {
          let difference = Double(found[token, j] - dense[token, j]) * (gain.isEmpty ? 1 : Double(gain[j]))
          sum += difference * difference / (sizes[token] * sizes[token])
        }
      }
      return sum / Double(dense.rows)
    }

    /// The mean squared difference of the stream behind a module.
    func streamError(_ module: LayerPart.Module, _ weights: LayerWeights) throws -> Double {
      let hidden = model.configuration.hiddenSize
      let (dense, found) = (Matrix<Float>(rows: 900, columns: hidden), Matrix<Float>(rows: 900, columns: hidden))
      for (weights, sum) in [(scored.weights, dense), (weights, found)] {
        try runner.add(
          weights[module.output], postNorm: scored.weights[gain: module.postNorm], of: run(module, weights).x, to: sum)
      }
      return zip(found.elements, dense.elements).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) } / 900
    }

    func ranked(_ repair: Repair, damping: Double = 1e-6) throws -> RankedLayer {
      try RankedLayer(
        scored, ranking: WandaSP().finiteScores(of: scored).ranking, repair: repair, damping: damping)
    }

    /// Some widths of a module, and the layer that keeps them.
    func widths(_ module: LayerPart.Module) -> [(width: Int, make: (RankedLayer) -> LayerWeights)] {
      let shape = scored.shape
      switch module {
      case .attention:
        return (1..<shape.kvHeads).map { width in
          (width, { $0.weights(groups: width, channels: shape.mlpChannels) })
        }
      case .mlp:
        return [1, 2, 3].map { shape.mlpChannels * $0 / 4 }.map { width in
          (width, { $0.weights(groups: shape.kvHeads, channels: width) })
        }
      }
    }
  }

  /// On the calibration tokens themselves the repaired module comes nearer to the dense one, by what the curve says.
  @Test(arguments: Fixture.allCases) func repairLowersTheErrorByWhatTheCurveSays(fixture: Fixture) throws {
    for index in [0, 1] {
      let subject = try Subject(fixture, layer: index)
      let (nested, admm, none) = (
        try subject.ranked(.nested), try subject.ranked(.admm), try subject.ranked(.none)
      )
      // Experts: `ExpertRepairTests`.
      for module in LayerPart.Module.allCases where module == .attention || !subject.scored.weights.hasExperts {
        // Where a norm over all heads stands, other heads are other inputs for those that stay.
        let keepsInputs = module == .mlp || !subject.model.configuration.normalisesHeadsJointly
        let errors = nested.errors()
        let curve = try #require(module == .attention ? errors.attention : errors.mlp)
        for (width, make) in subject.widths(module) {
          let repaired = try subject.error(module, make(nested))
          #expect(try repaired < 0.99 * subject.error(module, make(none)), "\(module) \(width)")
          #expect(try subject.streamError(module, make(nested)) < subject.streamError(module, make(none)))
          #expect(try subject.error(module, make(admm)) < subject.error(module, make(none)))
          // But for the share of the damping.
          if keepsInputs { #expect(abs(repaired / curve[width] - 1) < 2e-3, "\(module) \(width)") }
        }
      }
    }
  }

  /// The mean of what the removed inputs gave is not lost where it counts: behind the norm.
  @Test(arguments: Fixture.dense) func biasLeavesNoMeanError(fixture: Fixture) throws {
    let subject = try Subject(fixture, layer: 1)
    let (bias, none) = (try subject.ranked(.bias), try subject.ranked(.none))
    for module in LayerPart.Module.allCases {
      let (dense, sizes) = (try subject.run(module, subject.scored.weights).y, try subject.sizes(module))
      func meanError(_ weights: LayerWeights) throws -> Double {
        let found = try subject.run(module, weights).y
        return (0..<dense.columns).reduce(0.0) { sum, j in
          let mean = (0..<dense.rows).reduce(0.0) {
            $0 + Double(found[$1, j] - dense[$1, j]) / (sizes[$1] * sizes[$1]) / Double(dense.rows)
          }
          return sum + mean * mean
        }.squareRoot()
      }
      for (width, make) in subject.widths(module)
      where module == .mlp || !subject.model.configuration.normalisesHeadsJointly {
        #expect(try meanError(make(bias)) < 1e-3 * meanError(make(none)), "\(module) \(width)")
        #expect(try subject.error(module, make(bias)) < subject.error(module, make(none)), "\(module) \(width)")
      }
    }
  }

  /// The curve in units of the stream is the error of the stream, as long as errors are small.
  @Test(arguments: Fixture.behindNorms) func smallErrorsAreThoseOfTheStream(fixture: Fixture) throws {
    let subject = try Subject(fixture, layer: 1)
    for module in LayerPart.Module.allCases {
      let weight = subject.scored.weights[module.output].weight
      let moved = weight.copy()
      let change = Matrix<Float>.random(weight.rows, weight.columns, seed: 9)
      let size = weight.elements.map(abs).max() ?? 0
      Kernels.addScaled(change.pointer, 0.01 * size, to: moved.pointer, count: moved.count)
      var weights = subject.scored.weights
      weights[module.output].weight = moved
      let (first, whole) = (try subject.error(module, weights), try subject.streamError(module, weights))
      // What is along the output the norm takes away: one dimension of many.
      #expect(whole < 1.01 * first && whole > 0.9 * first, "\(module): \(whole), \(first)")
    }
  }

  private func subnet(
    _ model: LanguageModel, _ statistics: GatheredStatistics, _ repair: Repair
  ) throws -> Subnet<LanguageModel> {
    let factory = SubnetFactory(
      parent: model, scores: [WandaSP()], statistics: [statistics], repair: repair, damping: 0.01, byteLimit: .max)
    let widths = model.configuration.layers.map {
      LayerWidths(groups: max(1, $0.kvHeads - 1), channels: $0.mlpChannels * 2 / 3)
    }
    let made = try factory.subnet(widths, .init(score: "wanda-sp", calibration: "set"))
    return repair == .bias ? made.withOutputBiases() : made
  }

  /// Whatever the weights were before, the fit on the stream that the subnet really has brings it nearer on held-out windows.
  @Test(arguments: Fixture.allCases, [Repair.none, .bias, .nested, .admm])
  func sequentialRepairNeverWorsensTheHeldOutError(fixture: Fixture, repair: Repair) throws {
    let model = try fixture.model()
    let vocabulary = model.configuration.vocabularySize
    let calibration = TokenWindows(length: 20, tokens: someTokens(3000, below: vocabulary))
    let heldOut = TokenWindows(length: 20, tokens: someTokens(600, below: vocabulary, seed: 2))
    if repair == .bias, Fixture.withExperts.contains(fixture) {
      #expect(throws: ReformationError.expertsTakeNoBias) {
        try subnet(model, GatheredStatistics(model, calibration, name: "set"), repair)
      }
      return
    }
    let before = try subnet(model, GatheredStatistics(model, calibration, name: "set"), repair)
    let result = try SequentialReformation(parent: model, subnet: before, calibration: calibration, heldOut: heldOut)
    for step in result.steps {
      let isDamped = step.heldOutError < 1 && step.module != "gate and up"
      #expect(step.heldOutError <= 1 && (step.damping != nil) == isDamped, "\(step)")
    }
    #expect(result.steps.contains { $0.damping != nil })
    let after = result.subnet(of: before)
    #expect(try error(after, from: model, heldOut) < error(before, from: model, heldOut))
  }

  /// A query's step is measured at the query, on inputs that the norm before it has made equally large, or is none of.
  @Test(arguments: [Fixture.gemma3Local, .olmo2Norms]) func inputStepsMeasureRelativeErrors(fixture: Fixture) throws {
    let model = try fixture.model()
    let vocabulary = model.configuration.vocabularySize
    let calibration = TokenWindows(length: 20, tokens: someTokens(2000, below: vocabulary))
    let heldOut = TokenWindows(length: 20, tokens: someTokens(600, below: vocabulary, seed: 2))
    let before = try subnet(model, GatheredStatistics(model, calibration, name: "set"), .none)
    let result = try SequentialReformation(parent: model, subnet: before, calibration: calibration, heldOut: heldOut)
    let after = result.subnet(of: before)
    let step = try #require(result.steps.first { $0.layer == 1 && $0.module == "query" })
    let gain = try model.layer(1)[gain: .attentionNorm]
    func inputs(_ network: some Network) throws -> (plain: Matrix<Float>, normed: Matrix<Float>) {
      let pass = ForwardPass(heldOut)
      let (hidden, runner) = (try pass.embed(network), pass.runner(for: network))
      try runner.run(layer: 0, weights: network.layer(0), hidden)
      let normed = hidden.copy()
      try runner.normalise(normed, gain: gain)
      return (hidden, normed)
    }
    let (dense, pruned) = (try inputs(model), try inputs(after))
    let goal = Matrix<Float>(rows: 600, columns: try before.layer(1).query.outputs)
    try Linear(weight: before.layer(1).query.weight).apply(dense.normed, into: goal)
    func error(_ network: Subnet<LanguageModel>) throws -> Double {
      let found = Matrix<Float>(rows: goal.rows, columns: goal.columns)
      try Linear(weight: network.layer(1).query.weight).apply(pruned.normed, into: found)
      return (0..<goal.rows).reduce(0.0) { sum, token in
        let square = (0..<goal.columns).reduce(0.0) {
          let difference = Double(found[token, $1] - goal[token, $1])
          return $0 + difference * difference
        }
        let length = (0..<dense.plain.columns).reduce(0.0) { $0 + pow(Double(dense.plain[token, $1]), 2) }
        return sum + square / (gain.isEmpty ? length : 1)
      }
    }
    #expect(step.heldOutError < 1)
    #expect(try abs(error(after) / error(before) - step.heldOutError) < 1e-3)
  }

  /// The last residual stream's squared distance from the dense one, relative to its length.
  private func error(_ network: some Network, from model: LanguageModel, _ windows: TokenWindows) throws -> Double {
    func stream(_ network: some Network) throws -> Matrix<Float> {
      let pass = ForwardPass(windows)
      let (hidden, runner) = (try pass.embed(network), pass.runner(for: network))
      for index in 0..<network.configuration.layerCount {
        try runner.run(layer: index, weights: network.layer(index), hidden)
      }
      return hidden
    }
    let (a, b) = (try stream(network), try stream(model))
    return (0..<a.rows).reduce(0.0) { sum, token in
      let pairs = (0..<a.columns).map { (Double(a[token, $0]), Double(b[token, $0])) }
      return sum
        + pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / pairs.reduce(0) { $0 + $1.1 * $1.1 } / Double(a.rows)
    }
  }

  /// The step's error is measured on the stream behind the projection, through its norm.
  @Test(arguments: Fixture.allCases) func stepsMeasureTheStream(fixture: Fixture) throws {
    let model = try fixture.model()
    let vocabulary = model.configuration.vocabularySize
    let calibration = TokenWindows(length: 20, tokens: someTokens(2000, below: vocabulary))
    let heldOut = TokenWindows(length: 20, tokens: someTokens(600, below: vocabulary, seed: 2))
    let before = try subnet(model, GatheredStatistics(model, calibration, name: "set"), .none)
    var options = SequentialReformation.Options()
    options.scope = .outputs
    let result = try SequentialReformation(
      parent: model, subnet: before, calibration: calibration, heldOut: heldOut, options: options)
    let after = result.subnet(of: before)
    let step = try #require(result.steps.first)
    #expect(step.layer == 0 && step.module == "attention")
    let pass = ForwardPass(heldOut)
    func stream(_ network: some Network, _ weights: LayerWeights) throws -> Matrix<Float> {
      let (hidden, runner) = (try pass.embed(network), pass.runner(for: network))
      try runner.add(
        weights.output, postNorm: weights[gain: .attentionPostNorm],
        of: runner.inputs(of: .attention, layer: weights, hidden), to: hidden)
      return hidden
    }
    let goal = try stream(model, model.layer(0))
    func error(_ network: Subnet<LanguageModel>) throws -> Double {
      let found = try stream(network, network.layer(0))
      return (0..<goal.rows).reduce(0.0) { sum, token in
        let pairs = (0..<goal.columns).map { (Double(found[token, $0]), Double(goal[token, $0])) }
        return sum
          + pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
          / pairs.reduce(0) { $0 + $1.1 * $1.1 }.squareRoot()
      }
    }
    let measured = try error(after) / error(before)
    if try error(before) > 1e-9 { #expect(abs(measured - step.heldOutError) < 1e-3, "\(measured), \(step)") }
  }
}
