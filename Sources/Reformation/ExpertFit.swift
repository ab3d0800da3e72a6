import LanguageModels
import LinearAlgebra

/// Fits the down projections of a mixture's experts to what the MLP's output still lacks, expert after expert.
///
/// Each expert sees the tokens that use it in the subnet, and what the experts before it have left. The problem of all
/// experts together has a matrix of all their channels; this is block coordinate descent on it, which needs the matrix
/// of one expert at a time.
struct ExpertFit {
  private let fit: Remainder
  private let check: Remainder
  private let channels: Int
  /// Times that every expert has its turn. The second undoes most of what an expert took that a later one fits better.
  private static let sweeps = 2

  /// - Parameters:
  ///   - fit: tokens to fit on: inputs of all experts, with zeros for those that a token does not use.
  ///   - check: tokens to choose the damping by.
  ///   - channels: activations of an expert.
  init(_ fit: ProjectionProblem, _ check: ProjectionProblem, channels: Int) {
    (self.fit, self.check, self.channels) = (Remainder(fit), Remainder(check), channels)
  }

  /// - Parameter improve: given an expert's number, its down projection, and its problem on both sets of tokens.
  func improve(
    _ down: inout Linear,
    _ improve: (_ expert: Int, inout Linear, _ fit: ProjectionProblem, _ check: ProjectionProblem) throws -> Void
  ) throws {
    let weight = down.weight.copy()
    for _ in 0..<Self.sweeps {
      for expert in 0..<weight.columns / channels {
        let own = expert * channels..<(expert + 1) * channels
        let (seen, unseen) = (fit.part(own), check.part(own))
        if seen.tokens.isEmpty { continue }
        let before = weight.columns(own).copy()
        var linear = Linear(weight: before)
        try improve(expert, &linear, seen.problem, unseen.problem)
        weight.columns(own).assign(linear.weight)
        let change = linear.weight.copy()
        for i in 0..<change.rows { Kernels.addScaled(before.row(i), -1, to: change.row(i), count: change.columns) }
        fit.subtract(change, of: seen)
        check.subtract(change, of: unseen)
      }
    }
    down.weight = weight
  }

  /// The rest of a problem while experts are fitted.
  private struct Remainder {
    private let inputs: Matrix<Float>
    private let remaining: Matrix<Float>

    init(_ problem: ProjectionProblem) { (inputs, remaining) = (problem.inputs, problem.remaining.copy()) }

    struct Part {
      let tokens: [Int]
      let problem: ProjectionProblem
    }

    /// The tokens that use an expert.
    func part(_ channels: Range<Int>) -> Part {
      let block = inputs.columns(channels)
      let tokens = (0..<block.rows).filter { token in (0..<block.columns).contains { block[token, $0] != 0 } }
      return Part(
        tokens: tokens,
        problem: ProjectionProblem(inputs: block.gatherRows(tokens), remaining: remaining.gatherRows(tokens)))
    }

    /// `r ← r − Δ·x` for the part's tokens.
    func subtract(_ change: Matrix<Float>, of part: Part) {
      let made = Matrix<Float>(rows: part.tokens.count, columns: change.rows)
      Linear(weight: change).apply(part.problem.inputs, into: made)
      for (row, token) in part.tokens.enumerated() {
        Kernels.addScaled(made.row(row), -1, to: remaining.row(token), count: made.columns)
      }
    }
  }
}
