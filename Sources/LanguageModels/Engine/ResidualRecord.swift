import Foundation
import LinearAlgebra
import Synchronization

/// The residual stream of a network in front of every layer and behind the last, kept on disk for a backward pass.
///
/// Whoever runs the network anyway records the first of his windows, so that they are not run once more.
public final class ResidualRecord: Sendable {
  /// Tokens that are kept: the first of a pass.
  public let tokens: Int
  private let content = Mutex<(file: ScratchFile?, boundaries: [ScratchFile.Place])>((nil, []))

  public init(tokens: Int) { self.tokens = tokens }

  /// Makes the file, before anything is recorded.
  ///
  /// - Parameter folder: an existing folder with room for `(layers + 1) × tokens × hidden × 4` bytes.
  /// - Throws: `ModelError.scratch`.
  public func open(in folder: URL) throws(ModelError) {
    let file = try ScratchFile(in: folder)
    content.withLock { $0.file = file }
  }

  /// Boundaries that were recorded.
  public var count: Int { content.withLock { $0.boundaries.count } }

  private var file: ScratchFile {
    guard let file = content.withLock({ $0.file }) else { preconditionFailure("the record was not opened") }
    return file
  }

  /// Keeps the stream at the next boundary, shape `[at least tokens, hidden]`.
  public func append(_ hidden: Matrix<Float>) throws(ModelError) {
    let place = try file.append(hidden.rows(0..<tokens))
    content.withLock { $0.boundaries.append(place) }
  }

  /// Reads the stream of the first tokens at a boundary, as many as the matrix has rows.
  func read(_ boundary: Int, into hidden: Matrix<Float>) throws(ModelError) {
    try file.read(content.withLock { $0.boundaries[boundary] }, into: hidden)
  }
}

extension ForwardPass {
  /// Runs a network and records its residual stream on all windows.
  func record(_ network: some Network, with runner: any EnginePass, in folder: URL) throws -> ResidualRecord {
    let hidden = try embed(network)
    let record = ResidualRecord(tokens: hidden.rows)
    try record.open(in: folder)
    for index in 0..<network.configuration.layerCount {
      try record.append(hidden)
      try runner.run(layer: index, weights: network.layer(index), hidden)
    }
    try record.append(hidden)
    return record
  }
}
