import LinearAlgebra
import Runtime

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

/// Generates tokens for several sequences together, with a cache of keys and values.
///
/// Each sequence has a position of its own, so none waits for another. Prompts are read in pieces of many tokens, and every
/// step is one product per projection with as many rows as sequences go on (`CachedPass`).
/// Weights are packed for products at the first step and kept if all of them fit into `MemoryPlan.generator`; else those of
/// layers are packed at every step.
///
/// A generator does one thing at a time: `read` and `step` must not be called from two threads at once.
public final class Generator<Model: Network>: @unchecked Sendable {
  private let model: Model
  private let sequences: Int
  private let capacity: Int
  private let precision: Precision
  private let rotaries: [RotaryEmbedding]
  /// One a layer.
  private let caches: [KeyValueCache]
  /// Tokens of each sequence so far.
  private var counts: [Int]

  private let hidden: Matrix<Float>
  private let workspace: Workspace
  /// Attention scores, one matrix a worker.
  private let scores: [Matrix<Float>]
  private let logits: Matrix<Float>

  private let head: PackedLinear
  /// The layers that were packed so far, where they are kept.
  private var layers: [PackedLayer] = []
  private let keepsLayers: Bool
  /// The layer at work, where they are not.
  private let layerMemory: LayerBuffers

  /// Tokens that are read together.
  private static var piece: Int { 512 }

  /// - Parameters:
  ///   - capacity: positions that the cache holds: prompt and generated tokens together.
  ///   - precision: of weights, of what is multiplied by them, and of cached keys and values.
  ///   - keepingLayers: whether packed layers are kept; `nil` decides by the memory limit.
  public init(
    _ model: Model, sequences: Int, capacity: Int, precision: Precision = .single, keepingLayers: Bool? = nil
  ) {
    self.model = model
    self.sequences = sequences
    self.capacity = capacity
    self.precision = precision
    let configuration = model.configuration
    rotaries = RotaryEmbedding.all(configuration, positions: capacity)
    caches = configuration.layers.map {
      KeyValueCache(
        sequences: sequences, capacity: capacity, groups: $0.kvHeads, dimension: configuration.headDimension,
        precision: precision)
    }
    counts = Array(repeating: 0, count: sequences)
    hidden = Matrix(rows: sequences, columns: configuration.hiddenSize)
    workspace = Workspace(configuration, rows: sequences, length: 1)
    scores = (0..<Threads.count).map { _ in
      Matrix(rows: 1, columns: KeyValueCache.scratchCount(capacity: capacity))
    }
    logits = Matrix(rows: sequences, columns: model.head.rows)
    head = PackedLinear(Linear(weight: model.head), precision)
    let bytes = configuration.layers.reduce(head.weight.byteCount) {
      $0 + PackedLayer.byteCount($1, in: configuration, precision)
    }
    keepsLayers = keepingLayers ?? (bytes <= model.memory.generator)
    layerMemory = LayerBuffers(configuration)
  }

  /// Bytes that the cache takes for one sequence.
  public static func cacheBytes(_ configuration: ModelConfiguration, capacity: Int) -> Int {
    configuration.layers.reduce(0) {
      $0 + 2 * capacity * $1.kvHeads * configuration.headDimension * MemoryLayout<Float>.stride
    }
  }

  /// Feeds tokens to sequences at their beginning; what equal ones have in common is computed once.
  public func read(_ runs: [ArraySlice<Int32>], goesOn: () throws -> Bool) throws -> Bool {
    precondition(runs.count == sequences && counts.allSatisfy { $0 == 0 }, "one run a sequence, before all else")
    precondition(runs.allSatisfy { $0.count < capacity }, "runs within the cache")
    let firsts = runs.indices.map { sequence in runs[..<sequence].firstIndex(of: runs[sequence]) ?? sequence }
    let fed = runs.indices.filter { firsts[$0] == $0 }.flatMap { sequence in
      runs[sequence].enumerated().map { (token: $1, place: CachedPass.Place(sequence: sequence, position: $0)) }
    }
    if fed.isEmpty { return true }
    let workspace = Workspace(model.configuration, rows: min(Self.piece, fed.count), length: 1)
    for start in stride(from: 0, to: fed.count, by: Self.piece) {
      guard try goesOn() else { return false }
      let piece = fed[start..<min(start + Self.piece, fed.count)]
      try advance(ForwardPass.embed(piece.map(\.token), model), piece.map(\.place), workspace)
    }
    for (sequence, first) in firsts.enumerated() {
      counts[sequence] = runs[sequence].count
      if first != sequence {
        for cache in caches { cache.copy(counts[sequence], from: first, to: sequence) }
      }
    }
    return true
  }

  /// Feeds one token to every sequence that goes on, and returns the logits of the next, shape `[those sequences, vocabulary]`.
  ///
  /// The matrix is overwritten by the next step; the caller may change it.
  public func step(_ tokens: [Int32?]) throws -> Matrix<Float> {
    let places = tokens.indices.filter { tokens[$0] != nil }.map {
      CachedPass.Place(sequence: $0, position: counts[$0])
    }
    precondition(tokens.count == sequences, "one token or none for each sequence")
    precondition(places.allSatisfy { $0.position < capacity }, "tokens within the cache")
    let hidden = hidden.rows(0..<places.count)
    hidden.assign(try ForwardPass.embed(tokens.compactMap { $0 }, model))
    try advance(hidden, places, workspace)
    for place in places { counts[place.sequence] += 1 }
    let (normed, logits) = (workspace.normed.rows(0..<places.count), logits.rows(0..<places.count))
    model.configuration.normalise(hidden, gain: model.finalNorm, into: normed)
    let (rows, head) = (PackedRows(normed, precision, in: workspace.packedRows), head)
    CachedPass.forEachShare(of: head.outputs) { head.apply(rows, into: logits, outputs: $0(head.outputs)) }
    if let cap = model.configuration.logitCap { Kernels.softCap(logits.pointer, cap, count: logits.count) }
    return logits
  }

  /// Takes embedded tokens through all layers, in place.
  private func advance(_ hidden: Matrix<Float>, _ places: [CachedPass.Place], _ workspace: Workspace) throws {
    let configuration = model.configuration
    for index in 0..<configuration.layerCount {
      let block = TransformerBlock(configuration: configuration, weights: try layer(index), rotaries: rotaries)
      block.run(hidden, CachedPass(cache: caches[index], places: places, scores: scores), workspace) { _, _ in }
    }
  }

  private func layer(_ index: Int) throws -> PackedLayer {
    if index < layers.count { return layers[index] }
    let weights = try model.layer(index)
    if !keepsLayers { return PackedLayer(weights, precision, in: layerMemory) }
    layers.append(PackedLayer(weights, precision))
    return layers[index]
  }
}

extension Generator {
  /// Continues every prompt by `count` tokens; all prompts have one length.
  ///
  /// Sequence `i` draws from its own generator seeded by `(seed, i)`, so a sequence does not depend on its neighbours.
  /// - Parameters:
  ///   - excluded: tokens that are never drawn, such as end-of-text where running text is wanted.
  ///   - precision: of the generator.
  ///   - generated: called with the number of tokens so far; an error that it throws ends the generation.
  public static func continuations(
    of prompts: [[Int32]], by count: Int, model: Model, sampling: Sampling, seed: UInt64,
    excluding excluded: [Int32] = [], precision: Precision = .single,
    generated: ((Int) throws -> Void)? = nil
  ) throws -> [[Int32]] {
    guard let length = prompts.first?.count, length > 0 else { return prompts }
    let decoder = model.engine.decoder(model, sequences: prompts.count, capacity: length + count, precision)
    var results = prompts
    var random = prompts.indices.map { SeededGenerator(seed: seed, stream: UInt64($0)) }
    _ = try decoder.read(prompts.map { $0.dropLast() }) { true }
    for position in length - 1..<length + count - 1 {
      let logits = try decoder.step(results.map { $0[position] })
      let uniforms = random.indices.map { random[$0].unit() }
      let drawn = Drawn(count: prompts.count)
      try Threads.forEach(prompts.count) { sequence, _ in
        let row = logits.row(sequence)
        for token in excluded where token >= 0 && Int(token) < logits.columns { row[Int(token)] = -.infinity }
        drawn.tokens[sequence] = sampling.draw(row, count: logits.columns, uniform: uniforms[sequence])
      }
      for sequence in prompts.indices { results[sequence].append(drawn.tokens[sequence]) }
      try generated?(position + 2 - length)
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
