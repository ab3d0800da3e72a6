import LinearAlgebra
import Runtime

/// The parts of an MLP of experts (`ExpertRouting`), the experts one after another.
struct ExpertWeights: Sendable {
  /// Shape `[experts, hidden]`.
  let router: Matrix<Float>
  /// Shape `[experts·c, hidden]`.
  let gate: Matrix<Float>
  let up: Matrix<Float>
  /// Shape `[hidden, experts·c]`.
  let down: Matrix<Float>
  /// Those of the router, of gate and of up; `nil` for none.
  let biases: (router: [Float]?, gate: [Float]?, up: [Float]?)
  /// Shape `[experts, hidden]`; `nil` for none.
  let bias: Matrix<Float>?

  init(_ weights: LayerWeights) {
    (router, gate, up, down) = (
      weights[.router].weight, weights.gate.weight, weights.up.weight, weights.down.weight
    )
    biases = (weights[.router].bias, weights.gate.bias, weights.up.bias)
    bias = weights.hasExpertBiases ? weights[.expertBias].weight : nil
  }

  var count: Int { router.rows }

  /// Channels of one expert. A candidate may have fewer than its parent, whose configuration the pass has.
  var channels: Int { gate.rows / max(1, router.rows) }

  func range(of expert: Int) -> Range<Int> { expert * channels..<(expert + 1) * channels }
}

/// The experts of some tokens, and their weights.
struct Routing {
  /// An expert's use by a token.
  struct Use {
    let token: Int
    let weight: Float
  }

  /// The uses of each expert, in the order of the tokens.
  private(set) var uses: [[Use]]

  /// - Parameter normed: normed input of the MLP, shape `[tokens, hidden]`.
  init(_ normed: Matrix<Float>, _ router: Matrix<Float>, _ bias: [Float]?, _ routing: ExpertRouting) {
    uses = Array(repeating: [], count: router.rows)
    let scores = Matrix<Float>(uninitialized: normed.rows, columns: router.rows)
    multiply(normed, router, transposingB: true, into: scores)
    if let bias { scores.addToRows(bias[...]) }
    for token in 0..<normed.rows {
      for (expert, weight) in routing.choice(scores.row(token), count: router.rows) {
        uses[expert].append(Use(token: token, weight: weight))
      }
    }
  }

  /// The experts that any token uses, each with the place of its first use among all.
  var used: [(expert: Int, first: Int)] {
    var first = 0
    return uses.indices.compactMap { expert in
      defer { first += uses[expert].count }
      return uses[expert].isEmpty ? nil : (expert, first)
    }
  }
}

extension ExpertRouting {
  /// The experts of a token and their weights, the highest score first; equal scores keep the lower number first.
  ///
  /// - Parameter scores: the router's, one for each expert; they are overwritten where weights are shares of all.
  func choice(_ scores: UnsafeMutablePointer<Float>, count: Int) -> [(expert: Int, weight: Float)] {
    var chosen: [Int] = []
    for _ in 0..<min(perToken, count) {
      var best: Int?
      for expert in 0..<count where !chosen.contains(expert) {
        if best.map({ scores[expert] > scores[$0] }) ?? true { best = expert }
      }
      if let best { chosen.append(best) }
    }
    var weights = chosen.map { scores[$0] }
    if renormalises {
      weights.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { Kernels.softmax(base, count: $0.count) } }
    } else {
      Kernels.softmax(scores, count: count)
      weights = chosen.map { scores[$0] }
    }
    return Array(zip(chosen, weights))
  }
}

/// Memory of one worker for the experts' tokens: a row for each use.
final class ExpertScratch: Sendable {
  let input: Matrix<Float>
  let hidden: Matrix<Float>
  let up: Matrix<Float>
  let output: Matrix<Float>

  /// - Parameter activations: those of an expert.
  init(_ routing: ExpertRouting, activations: Int, rows: Int, hidden size: Int) {
    let uses = rows * routing.perToken
    input = Matrix(rows: uses, columns: size)
    hidden = Matrix(rows: uses, columns: activations)
    up = Matrix(rows: uses, columns: routing.channels)
    output = Matrix(rows: uses, columns: size)
  }
}

extension TransformerBlock {
  /// What the experts of a layer have made of their tokens: a row for each use, the rows of one expert together.
  struct ExpertRows {
    let routing: Routing
    /// `g·act(G·x) ⊙ U·x`, shape `[uses, c]`; and `g` behind it if experts have biases.
    let hidden: Matrix<Float>
  }

  /// Adds the MLP of experts to the residual stream.
  ///
  /// An expert sees the tokens that chose it and no others. Its products are those of single precision always.
  func addExperts(
    _ experts: ExpertWeights, to x: Matrix<Float>, _ workspace: Workspace, tap: (ActivationTap, Matrix<Float>) -> Void
  ) {
    guard let rows = expertRows(x, workspace), let scratch = workspace.experts else { return }
    tap(.mlpInput, workspace.normed.rows(0..<x.rows))
    let routing = rows.routing
    let used = routing.used
    Threads.forEach(used.count) { place in
      let (expert, first) = used[place]
      let own = first..<first + routing.uses[expert].count
      experts.project(expert, routing.uses[expert], rows.hidden.rows(own), into: scratch.output.rows(own))
    }
    for (expert, first) in used {
      let own = first..<first + routing.uses[expert].count
      for (use, row) in zip(routing.uses[expert], own) {
        Kernels.add(scratch.output.row(row), to: x.row(use.token), count: x.columns)
      }
      tap(.expertHidden(expert), rows.hidden.rows(own))
      tap(.expertOutput(expert), scratch.output.rows(own))
    }
  }

  /// The inputs of the experts' down projections, in the workspace; `nil` if the layer has no experts.
  func expertRows(_ x: Matrix<Float>, _ workspace: Workspace) -> ExpertRows? {
    guard let experts = weights.experts, let kind = configuration.block.experts, let scratch = workspace.experts
    else { return nil }
    let normed = workspace.normed.rows(0..<x.rows)
    configuration.normalise(x, gain: weights[gain: .mlpNorm], into: normed)
    let routing = Routing(normed, experts.router, experts.biases.router, kind)
    let (used, activation) = (routing.used, configuration.block.activation)
    let rows = scratch.hidden.rows
    let (allHidden, allUp) = (
      scratch.hidden.reshaped(rows: rows, columns: experts.channels + (experts.bias == nil ? 0 : 1)),
      scratch.up.reshaped(rows: rows, columns: experts.channels)
    )
    Threads.forEach(used.count) { place in
      let (expert, first) = used[place]
      let uses = routing.uses[expert]
      let own = first..<first + uses.count
      let (input, activations, up) = (scratch.input.rows(own), allHidden.rows(own), allUp.rows(own))
      let hidden = activations.columns(0..<experts.channels)
      for (row, use) in uses.enumerated() { input.row(row).update(from: normed.row(use.token), count: normed.columns) }
      let channels = experts.range(of: expert)
      multiply(input, experts.gate.rows(channels), transposingB: true, into: hidden)
      multiply(input, experts.up.rows(channels), transposingB: true, into: up)
      if let bias = experts.biases.gate { hidden.addToRows(bias[channels]) }
      if let bias = experts.biases.up { up.addToRows(bias[channels]) }
      for (row, use) in uses.enumerated() {
        activation.multiply(hidden.row(row), up.row(row), count: hidden.columns)
        Kernels.scale(hidden.row(row), by: use.weight, count: hidden.columns)
        if activations.columns > hidden.columns { activations[row, hidden.columns] = use.weight }
      }
    }
    return ExpertRows(routing: routing, hidden: allHidden)
  }

  /// The same side by side for all experts: a row for each token, with zeros for the experts that it does not use.
  func expandedExperts(_ x: Matrix<Float>, _ workspace: Workspace, into result: Matrix<Float>) {
    guard let rows = expertRows(x, workspace) else { return }
    result.fill(0)
    for (expert, first) in rows.routing.used {
      for (place, use) in rows.routing.uses[expert].enumerated() {
        let start = result.row(use.token) + expert * rows.hidden.columns
        start.update(from: rows.hidden.row(first + place), count: rows.hidden.columns)
      }
    }
  }
}

extension ExpertWeights {
  /// What an expert adds to the stream for the tokens that use it.
  fileprivate func project(
    _ expert: Int, _ uses: [Routing.Use], _ hidden: Matrix<Float>, into output: Matrix<Float>
  ) {
    multiply(hidden.columns(0..<channels), down.columns(range(of: expert)), transposingB: true, into: output)
    guard let bias else { return }
    for (row, use) in uses.enumerated() {
      Kernels.addScaled(bias.row(expert), use.weight, to: output.row(row), count: output.columns)
    }
  }
}

extension Matrix<Float> {
  /// `self += 1·biasᵀ`.
  func addToRows(_ bias: ArraySlice<Float>) {
    bias.withUnsafeBufferPointer { bias in
      guard let base = bias.baseAddress else { return }
      for i in 0..<rows { Kernels.add(base, to: row(i), count: columns) }
    }
  }
}

/// `y += D·h` for rows of which each uses some experts only, as `TransformerBlock.addExperts` adds them.
///
/// - Parameters:
///   - down: shape `[hidden, experts·a]`, the biases of experts in it (`LayerWeights[toStream:]`).
///   - channels: activations `a` of an expert.
///   - activations: shape `[tokens, experts·a]`, zeros for the experts that a token does not use.
func addExperts(_ down: Matrix<Float>, channels: Int, of activations: Matrix<Float>, to y: Matrix<Float>) {
  for start in stride(from: 0, to: activations.columns, by: channels) {
    let block = activations.columns(start..<start + channels)
    let users = (0..<block.rows).filter { token in (0..<channels).contains { block[token, $0] != 0 } }
    if users.isEmpty { continue }
    let output = Matrix<Float>(uninitialized: users.count, columns: y.columns)
    multiply(block.gatherRows(users), down.columns(start..<start + channels), transposingB: true, into: output)
    for (row, token) in users.enumerated() { Kernels.add(output.row(row), to: y.row(token), count: y.columns) }
  }
}
