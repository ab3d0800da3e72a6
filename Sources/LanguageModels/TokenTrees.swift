import LinearAlgebra

/// Token sequences that begin alike, with what they have in common kept once.
///
/// A node is a run of tokens that continues its parent; a token sees the tokens before it in its node, and those of all nodes above.
/// So sequences that share a beginning are computed as if each stood alone, and the beginning is computed once. Sequences may have
/// any lengths, and nothing is padded.
public struct TokenTrees: Sendable {
  struct Node: Sendable, Equatable {
    /// An earlier node of the same tree; `nil` for its root.
    let parent: Int?
    /// The places of its tokens among all.
    let rows: Range<Int>
    /// The position of its first token in a sequence.
    let position: Int
  }

  /// All tokens, node by node.
  public private(set) var tokens: [Int32] = []
  private(set) var nodes: [Node] = []
  /// The nodes of each tree, root first.
  private(set) var trees: [Range<Int>] = []
  /// Numbers of the sequences, as they were given.
  public private(set) var members: [Int] = []
  /// The node in which each of them ends, and its tokens.
  private var ends: [(node: Int, count: Int)] = []

  /// The longest sequence.
  public var longest: Int { ends.reduce(0) { max($0, $1.count) } }

  /// The rows of a sequence's tokens, first to last.
  ///
  /// - Parameter place: its place in `members`.
  public func rows(of place: Int) -> [Int] {
    var (node, count) = (nodes[ends[place].node], ends[place].count)
    var runs: [Range<Int>] = []
    while true {
      runs.append(node.rows.lowerBound..<node.rows.lowerBound + count - node.position)
      guard let parent = node.parent else { break }
      (node, count) = (nodes[parent], node.position)
    }
    return runs.reversed().flatMap { $0 }
  }

  /// Adds a tree of sequences that are sorted.
  fileprivate mutating func add(_ sorted: ArraySlice<Int>, of sequences: [[Int32]]) {
    let first = nodes.count
    add(sorted, of: sequences, below: nil, from: 0)
    trees.append(first..<nodes.count)
  }

  private mutating func add(_ sorted: ArraySlice<Int>, of sequences: [[Int32]], below parent: Int?, from start: Int) {
    guard let first = sorted.first, let last = sorted.last else { return }
    let shared = sequences[first].sharedPrefix(with: sequences[last])
    let node = nodes.count
    nodes.append(Node(parent: parent, rows: tokens.count..<tokens.count + shared - start, position: start))
    tokens += sequences[first][start..<shared]
    var rest = sorted
    while let next = rest.first, sequences[next].count == shared {
      members.append(next)
      ends.append((node, shared))
      rest.removeFirst()
    }
    while let next = rest.first {
      let end = rest.firstIndex { sequences[$0][shared] != sequences[next][shared] } ?? rest.endIndex
      add(rest[..<end], of: sequences, below: node, from: shared)
      rest = rest[end...]
    }
  }
}

// MARK: Planning

extension TokenTrees {
  /// Number of shared tokens from which sequences are worth a tree.
  private static let worthwhile = 8
  /// Tokens of a tree from which it only grows by sequences that share most of theirs, and those that it never exceeds unless a
  /// sequence alone does.
  private static let (large, largest) = (1024, 4096)

  /// Deals sequences to trees, and trees to batches.
  ///
  /// - Parameters:
  ///   - sequences: sequences of at least one token; equal ones are computed once.
  ///   - batch: largest number of tokens of a batch, where a tree does not exceed it.
  ///   - configuration: configuration of the network. Some turn long sequences otherwise than short ones: those never meet in a batch.
  public static func batches(
    of sequences: [[Int32]], tokens batch: Int = 8192, for configuration: ModelConfiguration
  ) -> [TokenTrees] {
    precondition(sequences.allSatisfy { !$0.isEmpty }, "a sequence has tokens")
    let alike = Dictionary(grouping: sequences.indices) { configuration.rotations(ofLength: sequences[$0].count) }
    return alike.values.sorted { $0[0] < $1[0] }.flatMap { indices in
      let sorted = indices.sorted { a, b in
        sequences[a] == sequences[b] ? a < b : sequences[a].lexicographicallyPrecedes(sequences[b])
      }
      var result = [TokenTrees()]
      for (tree, size) in trees(sorted, sequences) {
        let full = result[result.count - 1].tokens.count
        if full > 0, full + size > batch { result.append(TokenTrees()) }
        result[result.count - 1].add(tree, of: sequences)
      }
      return result
    }
  }

  /// Cuts sorted sequences where neighbours have little in common.
  private static func trees(_ sorted: [Int], _ sequences: [[Int32]]) -> [(members: ArraySlice<Int>, tokens: Int)] {
    var result: [(members: ArraySlice<Int>, tokens: Int)] = []
    var (start, size) = (0, 0)
    for (place, index) in sorted.enumerated() {
      let sequence = sequences[index]
      let shared = place == start ? 0 : sequences[sorted[place - 1]].sharedPrefix(with: sequence)
      let grown = size + sequence.count - shared
      let joins =
        2 * shared >= sequence.count ? grown <= largest : shared >= worthwhile && grown <= large
      if place > start, !joins {
        result.append((sorted[start..<place], size))
        (start, size) = (place, sequence.count)
      } else {
        size = grown
      }
    }
    if start < sorted.count { result.append((sorted[start...], size)) }
    return result
  }
}

extension [Int32] {
  fileprivate func sharedPrefix(with other: [Int32]) -> Int {
    let most = Swift.min(count, other.count)
    return (0..<most).first { self[$0] != other[$0] } ?? most
  }
}

extension ModelConfiguration {
  /// The frequencies of all kinds of attention for sequences of a length.
  fileprivate func rotations(ofLength length: Int) -> [[Float]] {
    block.attention.map { $0.isTurned ? $0.rotary.frequencies(headDimension: headDimension, length: length) : [] }
  }
}

// MARK: Running

extension TokenTrees {
  /// Consecutive trees of at most so many tokens together; one tree at least.
  func chunks(ofTokens tokens: Int) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var start = 0
    for tree in trees.indices where tree > start {
      let next = tree + 1 < trees.count ? nodes[trees[tree + 1].lowerBound].rows.lowerBound : self.tokens.count
      if next - nodes[trees[start].lowerBound].rows.lowerBound > tokens {
        chunks.append(start..<tree)
        start = tree
      }
    }
    return start < trees.count ? chunks + [start..<trees.count] : chunks
  }

  /// The embedded tokens, shape `[tokens, hidden]`.
  ///
  /// - Throws: `ModelError.tokenOutOfRange` for an id that the embedding has no row for.
  public func embed(_ network: some Network) throws -> Matrix<Float> { try ForwardPass.embed(tokens, network) }

  /// What the network's engine takes hidden states of the tokens through layers with.
  ///
  /// - Parameter streams: largest number of hidden states that go through a layer together.
  public func runner(
    for network: some Network, streams: Int = 1, precision: Precision = .single
  ) -> any EnginePass {
    network.engine.pass(over: self, through: network.configuration, streams: streams, precision)
  }

  /// The last hidden states of some tokens after the final norm, shape `[rows, hidden]`.
  ///
  /// - Parameters:
  ///   - rows: places of the tokens, in any order.
  ///   - precision: of products.
  /// - Throws: `ModelError.tokenOutOfRange` for an id that the embedding has no row for.
  public func hiddenStates(
    of network: some Network, rows: [Int], precision: Precision = .single
  ) throws -> Matrix<Float> {
    let hidden = try embed(network)
    let pass = runner(for: network, precision: precision)
    for index in 0..<network.configuration.layerCount {
      try pass.run(layer: index, weights: network.layer(index), hidden)
    }
    let wanted = hidden.gatherRows(rows)
    network.configuration.normalise(wanted, gain: network.finalNorm, into: wanted)
    return wanted
  }
}
