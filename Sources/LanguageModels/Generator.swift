import LinearAlgebra

/// How the next token is drawn from the logits.
public struct Sampling: Sendable {
  /// Logits are divided by it; 0 takes the most likely token.
  public var temperature: Float
  /// Nucleus: the smallest set of tokens with at least this probability is drawn from.
  public var topP: Float

  public init(temperature: Float = 1, topP: Float = 1) {
    self.temperature = temperature
    self.topP = topP
  }

  public static let greedy = Sampling(temperature: 0)
}

/// Generates tokens for several sequences in lockstep, with a cache of keys and values.
///
/// Sequences start with prompts of one length and never wait for each other, so every step is one product per
/// projection with as many rows as there are sequences.
///
/// A generator takes one step at a time: `step` must not be called from two threads at once.
public final class Generator<Model: Network>: @unchecked Sendable {
  private let model: Model
  private let sequences: Int
  private let capacity: Int
  private let rotary: RotaryEmbedding
  /// Per layer, shape `[sequences·capacity, kvHeads·D]`.
  private let keys: [Matrix<Float>]
  private let values: [Matrix<Float>]
  private var position = 0

  /// - Parameter capacity: positions that the cache holds: prompt and generated tokens together.
  public init(_ model: Model, sequences: Int, capacity: Int) {
    self.model = model
    self.sequences = sequences
    self.capacity = capacity
    let configuration = model.configuration
    rotary = RotaryEmbedding(
      configuration.rotary, headDimension: configuration.headDimension, positions: capacity)
    let caches = { (shape: LayerShape) in
      Matrix<Float>(rows: sequences * capacity, columns: shape.kvHeads * configuration.headDimension)
    }
    keys = configuration.layers.map(caches)
    values = configuration.layers.map(caches)
  }

  /// Feeds one token to every sequence and returns the logits of the next, shape `[sequences, vocabulary]`.
  public func step(_ tokens: [Int32]) throws -> Matrix<Float> {
    precondition(tokens.count == sequences && position < capacity, "one token a sequence, within the cache")
    let configuration = model.configuration
    let hidden = try ForwardPass(TokenWindows(length: 1, tokens: tokens)).embed(model)
    // As many on every machine: the last bits of a product depend on how many rows it has.
    let slices = min(ForwardPass.lanes, sequences)
    for index in 0..<configuration.layerCount {
      let weights = try model.layer(index)
      try Threads.forEach(slices) { slice, _ in
        let rows = slice * sequences / slices..<(slice + 1) * sequences / slices
        advance(layer: index, weights, hidden.rows(rows), sequences: rows)
      }
    }
    position += 1
    try ForwardPass(TokenWindows(length: 1, tokens: tokens)).runner(for: configuration)
      .finalNorm(hidden, gain: model.finalNorm)
    return try OutputHead(model).logits(hidden)
  }

  private func advance(
    layer index: Int, _ weights: LayerWeights, _ x: Matrix<Float>, sequences range: Range<Int>
  ) {
    let configuration = model.configuration
    let shape = configuration.layers[index]
    let normed = Matrix<Float>(rows: x.rows, columns: x.columns)
    let normalise = { (gain: [Float]) in
      for i in 0..<x.rows {
        Kernels.rmsNorm(x.row(i), gain: gain, epsilon: configuration.normEpsilon, into: normed.row(i), count: x.columns)
      }
    }
    if shape.kvHeads > 0 {
      normalise(weights.attentionNorm)
      let context = attention(layer: index, weights, normed, sequences: range)
      weights.output.apply(context, into: x, accumulating: true)
    }
    if shape.mlpChannels > 0 {
      normalise(weights.mlpNorm)
      let gate = Matrix<Float>(rows: x.rows, columns: shape.mlpChannels)
      let up = Matrix<Float>(rows: x.rows, columns: shape.mlpChannels)
      weights.gate.apply(normed, into: gate)
      weights.up.apply(normed, into: up)
      Kernels.siluMultiply(gate.pointer, up.pointer, count: gate.count)
      weights.down.apply(gate, into: x, accumulating: true)
    }
  }

  private func attention(
    layer index: Int, _ weights: LayerWeights, _ x: Matrix<Float>, sequences range: Range<Int>
  ) -> Matrix<Float> {
    let configuration = model.configuration
    let shape = configuration.layers[index]
    let dimension = configuration.headDimension
    let query = Matrix<Float>(rows: x.rows, columns: shape.queryHeads * dimension)
    let key = Matrix<Float>(rows: x.rows, columns: shape.kvHeads * dimension)
    let value = Matrix<Float>(rows: x.rows, columns: shape.kvHeads * dimension)
    let context = Matrix<Float>(rows: x.rows, columns: shape.queryHeads * dimension)
    weights.query.apply(x, into: query)
    weights.key.apply(x, into: key)
    weights.value.apply(x, into: value)
    let scale = 1 / Float(dimension).squareRoot()
    let first = configuration.slidingWindow.map { max(0, position - $0 + 1) } ?? 0
    let visible = position + 1 - first
    let scores = Matrix<Float>(rows: shape.queriesPerGroup, columns: visible)
    for i in 0..<x.rows {
      rotary.apply(to: query.row(i), heads: shape.queryHeads, position: position)
      rotary.apply(to: key.row(i), heads: shape.kvHeads, position: position)
      let cache = (range.lowerBound + i) * capacity
      keys[index].row(cache + position).update(from: key.row(i), count: key.columns)
      values[index].row(cache + position).update(from: value.row(i), count: value.columns)
      for group in 0..<shape.kvHeads {
        // The queries of a group are contiguous in the row: see them as a matrix [queriesPerGroup, D].
        let start = group * shape.queriesPerGroup * dimension
        let columns = start..<start + shape.queriesPerGroup * dimension
        let queries = query.rows(i..<i + 1).columns(columns).folded(columns: dimension)
        let contexts = context.rows(i..<i + 1).columns(columns).folded(columns: dimension)
        let seen = cache + first..<cache + position + 1
        let groupColumns = group * dimension..<(group + 1) * dimension
        multiply(
          queries, keys[index].rows(seen).columns(groupColumns), transposingB: true, scale: scale, into: scores)
        for r in 0..<scores.rows { Kernels.softmax(scores.row(r), count: visible) }
        multiply(scores, values[index].rows(seen).columns(groupColumns), into: contexts)
      }
    }
    return context
  }
}

extension Generator {
  /// Continues every prompt by `count` tokens; all prompts have one length.
  ///
  /// Sequence `i` draws from its own generator seeded by `(seed, i)`, so a sequence does not depend on its neighbours.
  /// - Parameters:
  ///   - excluded: tokens that are never drawn, such as end-of-text where running text is wanted.
  ///   - progress: told the number of tokens so far; what it throws ends the generation.
  public static func continuations(
    of prompts: [[Int32]], by count: Int, model: Model, sampling: Sampling, seed: UInt64,
    excluding excluded: [Int32] = [],
    progress: ((Int) throws -> Void)? = nil
  ) throws -> [[Int32]] {
    guard let length = prompts.first?.count, length > 0 else { return prompts }
    let generator = Generator(model, sequences: prompts.count, capacity: length + count)
    var results = prompts
    var random = prompts.indices.map { SeededGenerator(seed: seed, stream: UInt64($0)) }
    for position in 0..<length + count - 1 {
      let logits = try generator.step(results.map { $0[position] })
      guard position >= length - 1 else { continue }
      let uniforms = random.indices.map { random[$0].unit() }
      let drawn = Drawn(count: prompts.count)
      try Threads.forEach(prompts.count) { sequence, _ in
        let row = logits.row(sequence)
        for token in excluded where token >= 0 && Int(token) < logits.columns { row[Int(token)] = -.infinity }
        drawn.tokens[sequence] = sampling.draw(row, count: logits.columns, uniform: uniforms[sequence])
      }
      for sequence in prompts.indices { results[sequence].append(drawn.tokens[sequence]) }
      try progress?(position + 2 - length)
    }
    return results
  }
}

/// One slot a sequence, written by different workers.
private final class Drawn: @unchecked Sendable {
  let tokens: UnsafeMutableBufferPointer<Int32>

  init(count: Int) {
    tokens = .allocate(capacity: count)
    tokens.initialize(repeating: 0)
  }

  deinit { tokens.deallocate() }
}

extension Sampling {
  /// Probabilities up to this are what the softmax makes of a logit of minus infinity: never drawn.
  private static let impossible: Float = 1e-37

  /// The token at quantile `uniform` of the distribution; overwrites the logits.
  func draw(_ logits: UnsafeMutablePointer<Float>, count: Int, uniform: Double) -> Int32 {
    if temperature <= 0 { return Int32(Kernels.argmax(logits, count: count)) }
    if temperature != 1 {
      for i in 0..<count { logits[i] /= temperature }
    }
    Kernels.softmax(logits, count: count)
    if topP < 1 { return drawNucleus(logits, count: count, uniform: uniform) }
    var remaining = uniform
    var last = 0
    for i in 0..<count where logits[i] > Self.impossible {
      remaining -= Double(logits[i])
      last = i
      if remaining < 0 { break }
    }
    return Int32(last)
  }

  private func drawNucleus(_ probabilities: UnsafeMutablePointer<Float>, count: Int, uniform: Double) -> Int32 {
    // Few tokens carry the mass: lower the threshold until the kept ones hold enough, then sort only those.
    var threshold = Kernels.maximum(probabilities, count: count) / 16
    var kept: [Int] = []
    while true {
      kept = (0..<count).filter { probabilities[$0] >= threshold }
      if kept.reduce(0, { $0 + Double(probabilities[$1]) }) >= Double(topP) || threshold < 1e-12 { break }
      threshold /= 16
    }
    kept.sort { (probabilities[$0], $1) > (probabilities[$1], $0) }
    var mass = 0.0
    let nucleus = kept.prefix { index in
      guard mass == 0 || mass < Double(topP) else { return false }
      mass += Double(probabilities[index])
      return true
    }
    var remaining = uniform * mass
    for index in nucleus {
      remaining -= Double(probabilities[index])
      if remaining < 0 { return Int32(index) }
    }
    return Int32(nucleus.last ?? 0)
  }
}
