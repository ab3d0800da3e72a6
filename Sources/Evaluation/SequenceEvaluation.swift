import LanguageModels
import LinearAlgebra
import Runtime

/// Candidates on token sequences of any lengths, within the same memory and with the same sharing as on windows.
extension GenerationEvaluator {
  /// Tokens of a block that are worth asking for the weights of all candidates anew.
  private static var fewestTokens: Int { 1024 }

  /// Runs candidates over sequences, block by block; what sequences begin with in common is computed once.
  ///
  /// - Parameters:
  ///   - candidates: `2 × layers` parts each.
  ///   - sequences: sequences of at least one token; equal ones are computed once.
  ///   - last: of how many of the last tokens of each sequence hidden states are wanted.
  ///   - monitor: hears between half layers of the share that is done.
  ///   - body: takes the hidden states after the final norm, shape `[tokens, hidden]`, of some sequences one after another, and the
  ///     numbers of the candidates that have them.
  /// - Throws: `ModelError.tokenOutOfRange` for an id that the embedding has no row for.
  public func forEachBlock(
    of candidates: [[Part]], over sequences: [[Int32]], last: [Int], monitor: Monitor = .silent,
    _ body: (_ members: [Int], _ sequences: [Int], _ hidden: Matrix<Float>) throws -> Void
  ) throws {
    let most = max(1, memoryLimit / bytes(ofTokens: Self.fewestTokens))
    for start in stride(from: 0, to: candidates.count, by: most) {
      let part = start..<min(start + most, candidates.count)
      let tokens = max(Self.fewestTokens, memoryLimit / bytes(ofTokens: 1) / part.count)
      let blocks = TokenTrees.batches(of: sequences, tokens: tokens, for: parent.configuration)
      for (number, block) in blocks.enumerated() {
        let before = Double(start) / Double(candidates.count)
        let here = Double(part.count) / Double(candidates.count) / Double(blocks.count)
        let rows = block.members.enumerated().flatMap { block.rows(of: $0).suffix(last[$1]) }
        let runner = block.runner(for: parent, streams: Self.together)
        var work = SharedWork()
        try run(
          part.map { candidates[$0] }, from: try block.embed(parent), runner, each: SharedWork(), &work,
          { try monitor.advance(.init(.candidates), share: before + here * (Double(number) + $0)) },
          finish: { stream, members in
            try runner.normalise(stream, gain: parent.finalNorm)
            try body(members.map { start + $0 }, block.members, stream.gatherRows(rows))
          })
      }
    }
  }
}
