import LanguageModels
import LinearAlgebra
import Runtime
import Synchronization

/// Compares many candidates with the dense model at once, layer by layer.
///
/// A candidate is a list of parts, two a layer: what decides the weights of its attention, then of its MLP. Candidates that
/// begin with the same parts share the residual stream as long as they agree, a trie over the parts, and the weights of a
/// part are asked for once for all of them. Windows go through in blocks, so that the streams of all candidates fit into
/// the memory given, and half a layer's parts a few at a time, so that their weights do. A value depends neither on the
/// other candidates nor on the blocks, but for the last bits where a block cuts the matrices differently.
public struct GenerationEvaluator<Part: Hashable & Sendable>: Sendable {
  private let reference: DenseReference
  let parent: any Network
  private let isPrepared: Bool
  let memoryLimit: Int
  /// Streams that go through half a layer between two checkpoints.
  static var together: Int { 8 }
  private let weights: @Sendable (_ layer: Int, _ isMLP: Bool, _ part: Part) throws -> LayerWeights

  /// - Parameters:
  ///   - reference: its precision is that of the candidates.
  ///   - parent: gives embedding, final norm and head.
  ///   - bytes: bytes for residual streams, and as many for packed weights; `nil` for what the parent's memory plan says. One
  ///     candidate's smallest block and the weights of one part are held in any case.
  ///   - isPrepared: whether what the parts of half a layer have in common, such as a factorisation, is there already. Else one part
  ///   is made before the others.
  ///   - weights: of one half of a layer; the other half without units.
  public init(
    reference: DenseReference, parent: any Network, bytes: Int? = nil, isPrepared: Bool = false,
    weights: @escaping @Sendable (_ layer: Int, _ isMLP: Bool, _ part: Part) throws -> LayerWeights
  ) {
    (self.reference, self.parent) = (reference, parent)
    memoryLimit = bytes ?? parent.memory.candidates
    (self.isPrepared, self.weights) = (isPrepared, weights)
  }

  /// - Parameters:
  ///   - candidates: `2 × layers` parts each.
  ///   - windows: which of the reference's to compare on; `nil` for all.
  ///   - monitor: hears between half layers of the share that is done.
  /// - Returns: in the order of the candidates.
  public func compare(
    _ candidates: [[Part]], windows range: Range<Int>? = nil, monitor: Monitor = .silent
  ) throws -> (comparisons: [Comparison], work: SharedWork) {
    let range = range ?? 0..<reference.windows.count
    var tallies = candidates.map { _ in [DenseReference.WindowTally]() }
    var work = SharedWork()
    // Too many streams for the smallest block: the generation is split.
    let most = max(1, memoryLimit / bytes(ofWindows: windowsPerChunk))
    for start in stride(from: 0, to: candidates.count, by: most) {
      let part = start..<min(start + most, candidates.count)
      let block = max(1, memoryLimit / bytes(ofWindows: windowsPerChunk) / part.count) * windowsPerChunk
      for first in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let windows = first..<min(first + block, range.upperBound)
        // What this block adds to the share that is done.
        let before = Double(start) / Double(candidates.count)
        let here = Double(part.count) / Double(candidates.count) / Double(range.count)
        let found = try run(part.map { candidates[$0] }, windows, &work) { share in
          let done = before + here * (Double(first - range.lowerBound) + share * Double(windows.count))
          try monitor.advance(.init(.candidates), share: done)
        }
        for (place, candidate) in part.enumerated() { tallies[candidate] += found[place] }
      }
    }
    return (tallies.map { Comparison($0, windowLength: reference.windows.length) }, work)
  }

  /// Windows that a forward pass runs as one chunk: blocks are multiples, so that matrices are cut alike.
  private var windowsPerChunk: Int { ForwardPass.windowsPerChunk(length: reference.windows.length) }

  private func bytes(ofWindows count: Int) -> Int { bytes(ofTokens: count * reference.windows.length) }

  /// Bytes of a residual stream.
  func bytes(ofTokens count: Int) -> Int { count * parent.configuration.hiddenSize * MemoryLayout<Float>.size }

  private func run(
    _ candidates: [[Part]], _ range: Range<Int>, _ work: inout SharedWork,
    _ checkpoint: (Double) throws -> Void
  ) throws -> [[DenseReference.WindowTally]] {
    let windows = reference.windows.windows(range)
    let pass = ForwardPass(windows)
    let runner = pass.runner(for: parent, streams: Self.together)
    let shared = SharedWork(asked: range.count, done: range.count)
    var result = candidates.map { _ in [DenseReference.WindowTally]() }
    try run(candidates, from: try pass.embed(parent), runner, each: shared, &work, checkpoint) { stream, members in
      try runner.normalise(stream, gain: parent.finalNorm)
      let tallies = try reference.tally(stream, from: range.lowerBound)
      for member in members { result[member] = tallies }
    }
    return result
  }

  /// Candidates that agree so far, and their residual stream.
  private struct Node {
    let stream: Matrix<Float>
    let members: [Int]
  }

  /// Takes candidates through all layers together.
  ///
  /// - Parameters:
  ///   - embedded: the tokens; overwritten.
  ///   - runner: of these tokens.
  ///   - each: what half a layer of one stream counts as.
  ///   - checkpoint: hears of the share that is done.
  ///   - finish: takes the residual stream behind the last layer, which it may overwrite, and the candidates that have it.
  func run(
    _ candidates: [[Part]], from embedded: Matrix<Float>, _ runner: any EnginePass, each: SharedWork,
    _ work: inout SharedWork, _ checkpoint: (Double) throws -> Void,
    finish: (_ stream: Matrix<Float>, _ members: [Int]) throws -> Void
  ) throws {
    let halves = 2 * parent.configuration.layerCount
    precondition(candidates.allSatisfy { $0.count == halves }, "two parts for every layer")
    var nodes = [Node(stream: embedded, members: Array(candidates.indices))]
    for half in 0..<halves {
      let share = Double(half) / Double(halves)
      try checkpoint(share)
      var next: [Node] = []
      var streams: [Stream] = []
      for node in nodes {
        let branches = Self.branches(node.members) { candidates[$0][half] }
        for (number, branch) in branches.enumerated() {
          // The last branch takes the stream itself.
          let stream = number == branches.count - 1 ? node.stream : node.stream.copy()
          streams.append((branch.part, stream))
          next.append(Node(stream: stream, members: branch.members))
          work.done += each.done
          work.asked += each.asked * branch.members.count
        }
      }
      try run(streams, half, runner) { try checkpoint(share) }
      nodes = next
    }
    for node in nodes {
      try checkpoint(1)
      try finish(node.stream, node.members)
    }
  }

  /// A residual stream and the part of half a layer that it goes through.
  private typealias Stream = (part: Part, hidden: Matrix<Float>)

  /// Takes streams through half a layer, those of as many parts together as there is memory for.
  private func run(
    _ streams: [Stream], _ half: Int, _ runner: any EnginePass, _ checkpoint: () throws -> Void
  ) throws {
    let parts = Self.branches(Array(streams.indices)) { streams[$0].part }
    let most = partsAtOnce(half)
    for first in stride(from: 0, to: parts.count, by: most) {
      let some = Array(parts[first..<min(first + most, parts.count)])
      let made = try packWeights(half, some.map(\.part), oneBeforeOthers: first == 0 && !isPrepared)
      let ready = some.flatMap { part, members in
        made[part].map { layer in members.map { (weights: layer, hidden: streams[$0].hidden) } } ?? []
      }
      for start in stride(from: 0, to: ready.count, by: Self.together) {
        try checkpoint()
        try runner.run(Array(ready[start..<min(start + Self.together, ready.count)]))
      }
    }
  }

  /// Parts of half a layer whose packed weights fit into the memory given: as many for every worker.
  private func partsAtOnce(_ half: Int) -> Int {
    var shape = parent.configuration.layers[half / 2]
    if half % 2 == 0 { shape.mlpChannels = 0 } else { (shape.queryHeads, shape.kvHeads) = (0, 0) }
    let bytes = parent.engine.bytes(ofPrepared: shape, in: parent.configuration, reference.precision)
    let fitting = max(1, memoryLimit / max(1, bytes))
    return fitting > Threads.count ? fitting - fitting % Threads.count : fitting
  }

  /// The packed weights of parts of half a layer, made on all workers.
  ///
  /// - Parameter oneBeforeOthers: whether the first is made alone, so that what all share is made once.
  private func packWeights(_ half: Int, _ parts: [Part], oneBeforeOthers: Bool) throws -> [Part: any PreparedLayer] {
    let made = Mutex<[Part: any PreparedLayer]>([:])
    let alone = oneBeforeOthers ? min(1, parts.count) : 0
    for range in [0..<alone, alone..<parts.count] {
      try Threads.forEach(range.count) { place, _ in
        let part = parts[range.lowerBound + place]
        let layer = parent.engine.prepare(
          try weights(half / 2, half % 2 == 1, part), of: parent.configuration, reference.precision)
        made.withLock { $0[part] = layer }
      }
    }
    return made.withLock { $0 }
  }

  /// Members by their part, in the order in which parts first occur.
  ///
  /// - Parameter members: ascending.
  private static func branches(_ members: [Int], _ part: (Int) -> Part) -> [(part: Part, members: [Int])] {
    Dictionary(grouping: members, by: part).map { ($0.key, $0.value) }.sorted { $0.members[0] < $1.members[0] }
  }
}

/// How much of an evaluation was shared, in half layers times windows.
public struct SharedWork: Sendable, Equatable {
  /// What the candidates would take one by one.
  public var asked = 0
  public var done = 0
}
