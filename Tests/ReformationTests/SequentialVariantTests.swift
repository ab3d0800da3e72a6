import Importance
import LanguageModels
import LinearAlgebra
import Subnets
import Testing

@testable import Calibration
@testable import Reformation

@Suite struct SequentialVariantTests {
  typealias Options = SequentialReformation.Options

  private let model: LanguageModel
  private let calibration = TokenWindows(length: 20, tokens: someTokens(3000, below: 320))
  private let heldOut = TokenWindows(length: 20, tokens: someTokens(400, below: 320, seed: 2))
  private let before: Subnet<LanguageModel>

  init() throws {
    model = try Fixture.llamaMHA.model()
    let statistics = try GatheredStatistics(model, calibration, name: "set")
    let factory = SubnetFactory(
      parent: model, scores: [WandaSP()], statistics: [statistics], repair: .none, damping: 0.01, byteLimit: .max)
    let shapes = model.configuration.layers
    let widths = shapes.enumerated().map { index, shape in
      // The last layer keeps everything.
      index == shapes.count - 1
        ? LayerWidths(groups: shape.kvHeads, channels: shape.mlpChannels)
        : LayerWidths(groups: shape.kvHeads - 1, channels: shape.mlpChannels / 2)
    }
    before = try factory.subnet(widths, .init(score: "wanda-sp", calibration: "set"))
  }

  private func fit(_ options: Options) throws -> (result: SequentialReformation, network: Subnet<LanguageModel>) {
    let result = try SequentialReformation(
      parent: model, subnet: before, calibration: calibration, heldOut: heldOut, options: options)
    return (result, result.subnet(of: before))
  }

  /// The residual streams before a layer, on the calibration windows.
  private func stream(_ network: some Network, before layer: Int) throws -> (any EnginePass, Matrix<Float>) {
    let pass = ForwardPass(calibration)
    let hidden = try pass.embed(network)
    let runner = pass.runner(for: network)
    for index in 0..<layer { try runner.run(layer: index, weights: network.layer(index), hidden) }
    return (runner, hidden)
  }

  private func options(
    _ target: Options.Target = .residual, _ scope: Options.Scope = .pruned, bias: Bool = false
  ) -> Options {
    var options = Options()
    options.target = target
    options.scope = scope
    options.bias = bias
    return options
  }

  private static let variants: [(Options.Target, Options.Scope, Bool)] = Options.Target.allCases.flatMap { target in
    Options.Scope.allCases.flatMap { scope in [(target, scope, false), (target, scope, true)] }
  }

  /// What is fitted gets better on held-out windows, and nothing else changes.
  @Test(arguments: Self.variants)
  func fitsWhatItsScopeSays(_ target: Options.Target, _ scope: Options.Scope, _ bias: Bool) throws {
    let (result, network) = try fit(options(target, scope, bias: bias))
    let last = model.configuration.layerCount - 1
    let inputs =
      scope == .all
      ? ["query", "key", "value", "attention", "gate", "up", "mlp", "gate and up", "mlp"] : ["attention", "mlp"]
    let expected = (0...last).flatMap { layer in
      layer == last && scope == .pruned ? [] : inputs.map { "\(layer) \($0)" }
    }
    #expect(result.steps.map { "\($0.layer) \($0.module)" } == expected)
    for step in result.steps {
      let isDamped = step.heldOutError < 1 && step.module != "gate and up"
      #expect(step.heldOutError <= 1 && (step.damping != nil) == isDamped, "\(step)")
    }
    #expect(result.steps.contains { $0.heldOutError < 0.95 })
    // Before anything is pruned, queries, keys and values read what they always did.
    let untouched = result.steps.filter { $0.layer == 0 && ["query", "key", "value"].contains($0.module) }
    #expect(untouched.allSatisfy { $0.damping == nil })
    for index in 0...last {
      let (a, b) = (try before.layer(index), try network.layer(index))
      for (name, part) in [
        ("query", \LayerWeights.query), ("key", \.key), ("value", \.value), ("attention", \.output), ("gate", \.gate),
        ("up", \.up), ("mlp", \.down),
      ] {
        let names = ["gate", "up"].contains(name) ? [name, "gate and up"] : [name]
        let isFitted = result.steps.contains {
          $0.layer == index && names.contains($0.module) && $0.heldOutError < 1
        }
        #expect(
          (a[keyPath: part].weight.elements != b[keyPath: part].weight.elements) == isFitted, "\(index) \(name)")
      }
    }
    let hasBias = try network.layer(0).output.bias != nil
    #expect(hasBias == bias && network.configuration.layers.allSatisfy { $0.mlpChannels > 0 })
  }

  /// Up to the first pruned module the streams agree, and so do the targets.
  @Test func targetsAgreeWhereNothingIsLostYet() throws {
    let (own, residual) = (try fit(options(.own)).result, try fit(options(.residual)).result)
    #expect(try own.layer(0).output.weight.elements == residual.layer(0).output.weight.elements)
    let isEqual = try own.layer(0).down.weight.elements == residual.layer(0).down.weight.elements
    #expect(!isEqual)
  }

  /// A share of the drift is chosen by the held-out windows: where all that is before is equal, they cannot lose by it.
  @Test func aShareOfTheDriftServesTheHeldOutWindows() throws {
    let (shared, residual) = (try fit(options(.shared)).result, try fit(options(.residual)).result)
    let (some, whole) = (shared.steps[1], residual.steps[1])
    #expect(abs(shared.steps[0].heldOutError - residual.steps[0].heldOutError) < 1e-4)
    #expect(some.layer == 0 && some.module == "mlp" && some.heldOutError < whole.heldOutError)
  }

  /// Gates that are fitted, too, bring a subnet nearer to the dense model on windows that nothing was fitted to.
  @Test func gatesBringItNearer() throws {
    let calibration = TokenWindows(length: 20, tokens: someTokens(12_000, below: 320))
    let unseen = TokenWindows(length: 20, tokens: someTokens(2000, below: 320, seed: 3))
    let statistics = try GatheredStatistics(model, calibration, name: "set")
    let factory = SubnetFactory(
      parent: model, scores: [WandaSP()], statistics: [statistics], repair: .none, damping: 0.01, byteLimit: .max)
    let widths = model.configuration.layers.map { LayerWidths(groups: $0.kvHeads, channels: $0.mlpChannels / 2) }
    let half = try factory.subnet(widths, .init(score: "wanda-sp", calibration: "set"))
    func distance(gates: Bool) throws -> Double {
      var options = options(.residual, .all)
      options.gates = gates
      let made = try SequentialReformation(
        parent: model, subnet: half, calibration: calibration, heldOut: heldOut, options: options
      ).subnet(of: half)
      let pass = ForwardPass(unseen)
      return try zip(pass.hiddenStates(of: model).elements, pass.hiddenStates(of: made).elements).reduce(0) {
        $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
      }
    }
    #expect(try distance(gates: true) < 0.95 * distance(gates: false))
  }

  /// The damping holds the weight back, not the bias: no mean error is left on the calibration windows.
  @Test(arguments: Options.Tokens.allCases) func biasTakesTheMeanError(tokens: Options.Tokens) throws {
    var options = options(bias: true)
    options.tokens = tokens
    let (_, network) = try fit(options)
    let (denseRunner, dense) = try stream(model, before: 0)
    let (runner, pruned) = try stream(network, before: 0)
    let (whole, fitted) = (try model.layer(0), try network.layer(0))
    try denseRunner.add(whole.output, of: denseRunner.inputs(of: .attention, layer: whole, dense), to: dense)
    let start = pruned.copy()
    let inputs = try runner.inputs(of: .attention, layer: fitted, pruned)
    try runner.add(fitted.output, of: inputs, to: pruned)
    try runner.add(before.layer(0).output, of: inputs, to: start)
    let counts = (0..<dense.rows).map { row in
      let square = (0..<dense.columns).reduce(0.0) { $0 + Double(dense[row, $1] * dense[row, $1]) }
      return switch tokens {
      case .equal: 1.0
      case .balanced: 1 / square.squareRoot()
      case .relative: 1 / square
      }
    }
    func meanError(_ stream: Matrix<Float>) -> Double {
      (0..<stream.columns).reduce(0.0) { sum, j in
        let mean =
          (0..<stream.rows).reduce(0.0) { $0 + counts[$1] * Double(dense[$1, j] - stream[$1, j]) }
          / counts.reduce(0, +)
        return sum + mean * mean
      }.squareRoot()
    }
    #expect(meanError(start) > 1e-4)
    #expect(meanError(pruned) < 1e-3 * meanError(start))
  }

  /// Queries give on the subnet's stream what they gave on the dense one, as far as the damping lets them.
  @Test func inputProjectionsSolveTheirNormalEquations() throws {
    var options = options(.residual, .all)
    options.gates = false
    let (result, network) = try fit(options)
    let step = try #require(result.steps.first { $0.layer == 1 && $0.module == "gate" })
    let damping = try #require(step.damping)
    let (denseRunner, dense) = try stream(model, before: 1)
    let (runner, pruned) = try stream(network, before: 1)
    let (whole, fitted, start) = (try model.layer(1), try network.layer(1), try before.layer(1))
    try denseRunner.add(whole.output, of: denseRunner.inputs(of: .attention, layer: whole, dense), to: dense)
    try runner.add(fitted.output, of: runner.inputs(of: .attention, layer: fitted, pruned), to: pruned)
    try denseRunner.normalise(dense, gain: whole.mlpNorm)
    try runner.normalise(pruned, gain: whole.mlpNorm)
    var trace = 0.0
    for value in pruned.elements { trace += Double(value) * Double(value) / Double(pruned.rows) }
    let lambda = damping * trace / Double(pruned.columns)
    // Gradient of E‖Ŵx − W₁x*‖² + λ‖Ŵ − W₁‖².
    func gradient(_ weight: Matrix<Float>) -> Double {
      let outputs = Matrix<Float>(rows: pruned.rows, columns: weight.rows)
      let goal = Matrix<Float>(rows: pruned.rows, columns: weight.rows)
      Linear(weight: weight).apply(pruned, into: outputs)
      Linear(weight: start.gate.weight).apply(dense, into: goal)
      let residual = outputs.widened()
      for (i, value) in goal.elements.enumerated() { residual.pointer[i] -= Double(value) }
      let cross = Matrix<Double>(rows: weight.rows, columns: weight.columns)
      multiply(residual, pruned.widened(), transposingA: true, scale: 1 / Double(pruned.rows), into: cross)
      var total = 0.0
      for i in 0..<weight.rows {
        for j in 0..<weight.columns {
          let value = cross[i, j] + lambda * Double(weight[i, j] - start.gate.weight[i, j])
          total += value * value
        }
      }
      return total.squareRoot()
    }
    #expect(gradient(fitted.gate.weight) < 1e-3 * gradient(start.gate.weight))
  }
}
