import LanguageModels
import LinearAlgebra
import Testing

@testable import Reformation

@Suite struct GatedFitTests {
  private static let (hidden, channels) = (6, 5)

  private static func noise(_ rows: Int, _ columns: Int, _ magnitude: Float, seed: UInt64) -> Matrix<Float> {
    let matrix = Matrix<Float>(rows: rows, columns: columns)
    matrix.fillUniform(magnitude: magnitude, seed: seed)
    return matrix
  }

  private struct MLP {
    var gate: Linear
    var up: Linear
    var down: Matrix<Float>

    init(_ seed: UInt64, biased: Bool = false) {
      func bias(_ seed: UInt64) -> [Float]? { biased ? noise(1, channels, 0.5, seed: seed).elements : nil }
      gate = Linear(weight: noise(channels, hidden, 1, seed: seed), bias: bias(seed + 10))
      up = Linear(weight: noise(channels, hidden, 1, seed: seed + 1), bias: bias(seed + 11))
      down = noise(hidden, channels, 1, seed: seed + 2)
    }

    func output(_ x: Matrix<Float>, _ activation: Activation) -> Matrix<Float> {
      let (g, u) = (Matrix<Float>(rows: x.rows, columns: channels), Matrix<Float>(rows: x.rows, columns: channels))
      gate.apply(x, into: g)
      up.apply(x, into: u)
      activation.multiply(g.pointer, u.pointer, count: g.count)
      let y = Matrix<Float>(rows: x.rows, columns: hidden)
      multiply(g, down, transposingB: true, into: y)
      return y
    }

    mutating func move(_ change: Matrix<Float>, by step: Float) {
      func moved(_ linear: Linear, _ first: Int) -> Linear {
        let weight = linear.weight.copy()
        for i in 0..<weight.rows {
          Kernels.addScaled(change.row(first + i), step, to: weight.row(i), count: weight.columns)
        }
        return Linear(weight: weight, bias: linear.bias)
      }
      (gate, up) = (moved(gate, 0), moved(up, channels))
    }
  }

  private static func tokens(_ count: Int, of goal: MLP, _ activation: Activation, seed: UInt64) -> GatedFit.Tokens {
    let x = noise(count, hidden, 2, seed: seed)
    let lacking = goal.output(x, activation)
    let scales = noise(1, count, 0.5, seed: seed + 1).elements.map { $0 + 1 }
    for i in 0..<count { Kernels.scale(lacking.row(i), by: scales[i], count: hidden) }
    return GatedFit.Tokens(inputs: x, lacking: lacking, scales: scales)
  }

  private static let activations: [Activation] = [.silu, .gelu]

  /// `Jᵀr`, `JᵀJδ` and `‖Jδ‖²` by their definitions, with `J` from differences of the outputs.
  @Test(arguments: activations, [false, true]) func isTheLinearProblemOfSmallChanges(
    _ activation: Activation, biased: Bool
  ) throws {
    let (start, goal) = (MLP(1, biased: biased), MLP(5))
    var fit = GatedFit(
      activation: activation, fit: Self.tokens(40, of: goal, activation, seed: 30),
      check: Self.tokens(10, of: goal, activation, seed: 40))
    fit.plan.keepsSlopes = !biased
    let system = LinearisedMLP(fit, start.gate, start.up, start.down)
    let (tokens, step) = (fit.fit, Float(1.0 / 256))
    func scaled(_ y: Matrix<Float>, by factor: Float) -> [Double] {
      (0..<y.rows).flatMap { i in (0..<y.columns).map { Double(y[i, $0] * tokens.scales[i] * factor) } }
    }
    let rest = zip(tokens.lacking.elements, scaled(start.output(tokens.inputs, activation), by: 1)).map {
      Double($0) - $1
    }
    func column(_ change: Matrix<Float>) -> [Double] {
      var (ahead, behind) = (start, start)
      ahead.move(change, by: step)
      behind.move(change, by: -step)
      let (a, b) = (ahead.output(tokens.inputs, activation), behind.output(tokens.inputs, activation))
      return zip(scaled(a, by: 0.5 / step), scaled(b, by: 0.5 / step)).map { $0 - $1 }
    }
    let columns = (0..<system.gradient.count).map { place in
      let unit = Matrix<Float>(rows: 2 * Self.channels, columns: Self.hidden)
      unit.pointer[place] = 1
      return column(unit)
    }
    func inner(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let change = Self.noise(2 * Self.channels, Self.hidden, 1, seed: 50)
    let image = column(change)
    let (product, length) = system.multiply(change)
    #expect(abs(length / inner(image, image) - 1) < 2e-3)
    let size = inner(rest, rest).squareRoot() * inner(image, image).squareRoot()
    for (place, column) in columns.enumerated() {
      #expect(abs(Double(system.gradient.pointer[place]) - inner(column, rest)) < 2e-3 * size)
      #expect(abs(Double(product.pointer[place]) - inner(column, image)) < 2e-3 * size)
    }
  }

  /// What an MLP of the same shape gives can be reached, and is: from near it nothing is left to speak of.
  @Test(arguments: activations) func findsTheMLPThatGaveTheOutputs(_ activation: Activation) throws {
    let goal = MLP(1)
    var start = goal
    start.move(Self.noise(2 * Self.channels, Self.hidden, 0.2, seed: 60), by: 1)
    var fit = GatedFit(
      activation: activation, fit: Self.tokens(400, of: goal, activation, seed: 30),
      check: Self.tokens(100, of: goal, activation, seed: 40))
    (fit.plan.rounds, fit.plan.steps, fit.plan.leastGain) = (6, 60, 0)
    let error = try fit.improve(&start.gate, &start.up, down: start.down)
    #expect(error < 1e-4)
  }

  /// Held-out tokens that ask for something else stop it: nothing changes that they do not confirm.
  @Test func heldOutTokensDecide() throws {
    let (goal, other) = (MLP(5), MLP(1))
    var start = other
    let fit = GatedFit(
      activation: .silu, fit: Self.tokens(200, of: goal, .silu, seed: 30),
      check: Self.tokens(100, of: other, .silu, seed: 40))
    #expect(try fit.improve(&start.gate, &start.up, down: start.down) == 1)
    #expect(start.gate.weight.elements == other.gate.weight.elements)
  }

  /// Of a change that is right in direction and too long for the held-out tokens, a share is taken.
  @Test func takesTheShareThatHeldOutTokensConfirm() throws {
    let (start, goal) = (MLP(1), MLP(5))
    // The held-out tokens ask for half of what the others do.
    var check = Self.tokens(400, of: goal, .silu, seed: 30)
    let own = start.output(check.inputs, .silu)
    for i in 0..<own.rows {
      Kernels.scale(own.row(i), by: check.scales[i], count: own.columns)
      Kernels.add(check.lacking.row(i), to: own.row(i), count: own.columns)
      Kernels.scale(own.row(i), by: 0.5, count: own.columns)
    }
    check = GatedFit.Tokens(inputs: check.inputs, lacking: own, scales: check.scales)
    func error(longest: Double) throws -> Double {
      var (fit, moved) = (
        GatedFit(activation: .silu, fit: Self.tokens(400, of: goal, .silu, seed: 30), check: check), start
      )
      fit.plan.steps = 1
      fit.plan.longest = longest
      return try fit.improve(&moved.gate, &moved.up, down: moved.down)
    }
    // Without a share of its own it takes the better of half and whole.
    #expect(try error(longest: 1.5) < error(longest: 0))
    #expect(try error(longest: 1.5) < 1)
  }

  @Test func theLowestPointOfAParabola() {
    let lowest = Parabola.lowest(0.36, 0.01, 0.16)
    #expect(lowest.map { abs($0 - 0.6) < 1e-12 } == true)
    #expect(Parabola.lowest(0, 1, 4) == nil)
    #expect(Parabola.lowest(0, 1, 1) == nil)
  }
}
