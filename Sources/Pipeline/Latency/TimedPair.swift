import Evaluation
import LanguageModels
import LinearAlgebra

/// What repeated measurements say: their median, and half of the range that the middle half of them takes.
struct Spread {
  var median = 0.0
  var halfRange = 0.0

  init() {}

  init(_ values: [Double]) {
    let sorted = values.sorted()
    func quantile(_ share: Double) -> Double {
      let place = share * Double(sorted.count - 1)
      let below = Int(place)
      return sorted[below] + (place - Double(below)) * (sorted[min(below + 1, sorted.count - 1)] - sorted[below])
    }
    if sorted.isEmpty { return }
    (median, halfRange) = (quantile(0.5), (quantile(0.75) - quantile(0.25)) / 2)
  }
}

/// Seconds that the dense network and another one take, by turns.
struct TimedPair {
  /// Tokens that are generated between two looks at the clock.
  private static let steps = 8

  private(set) var dense: [Double] = []
  private(set) var other: [Double] = []

  /// Tokens that a measurement generates behind half as many less than the context says.
  static func tokens(rounds: Int) -> Int { steps * (rounds + 1) }

  /// - Parameters:
  ///   - tokens: length of the prompts, or tokens behind which one is generated, on average.
  ///   - batch: sequences that go through together.
  init(
    _ first: some Network, _ second: some Network, _ kind: LatencyTable.Workload.Kind, tokens: Int, batch: Int,
    _ request: LatencyRequest
  ) throws {
    let run = try [
      Self.run(first, kind, tokens: tokens, batch: batch, request),
      Self.run(second, kind, tokens: tokens, batch: batch, request),
    ]
    let clock = ContinuousClock()
    for round in 0...request.rounds {
      // Who is first changes, so that what one leaves in the caches favours neither.
      for place in round.isMultiple(of: 2) ? [0, 1] : [1, 0] {
        let seconds = try clock.measure { try run[place]() } / .seconds(kind == .prompt ? 1 : Self.steps)
        if round == 0 { continue }
        if place == 0 { dense.append(seconds) } else { other.append(seconds) }
      }
    }
  }

  /// What is timed: a prompt, or some steps of a generation that has come near the context already.
  private static func run(
    _ network: some Network, _ kind: LatencyTable.Workload.Kind, tokens: Int, batch: Int, _ request: LatencyRequest
  ) throws -> () throws -> Void {
    let words = min(97, network.configuration.vocabularySize)
    if kind == .prompt {
      let windows = TokenWindows(length: tokens, tokens: (0..<tokens * batch).map { Int32($0 % words) })
      return { _ = try ForwardPass(windows).hiddenStates(of: network, precision: request.precision) }
    }
    let generated = Self.tokens(rounds: request.rounds)
    let before = max(0, tokens - generated / 2)
    let decoder = network.engine.decoder(
      network, sequences: batch, capacity: before + generated, request.precision)
    let token = (0..<batch).map { Int32($0 % words) }
    for _ in 0..<before { _ = try decoder.step(token) }
    return { for _ in 0..<steps { _ = try decoder.step(token) } }
  }

  /// What the other network takes less, in each of so many layers.
  func saving(over layers: Int) -> Spread { Spread(zip(dense, other).map { ($0 - $1) / Double(layers) }) }
}
