import LanguageModels
import LinearAlgebra
import Runtime
import Subnets

/// The terms that errors of modules at all widths add to the loss of single tokens, to first order: `z = gᵀ·δ` with the
/// gradient `g` at the module's output and the error `δ` of its output.
///
/// To second order `½·E[(Σ_m z_m)²]` is the divergence of a network whose modules err together.
public struct LossTerms: Sendable {
  /// By module, attention and MLP of a layer by turns: shape `[tokens, widths]`. A module that a layer lacks has zeros.
  public let modules: [Matrix<Float>]
  /// Widths of the columns.
  public let widths: [[Int]]
  /// Tokens of a window.
  public let length: Int

  /// One pass over windows with gradients of sampled labels.
  ///
  /// - Parameters:
  ///   - factory: its repair is least squares.
  ///   - windows: windows for gradients.
  ///   - recorded: the parent's residual stream on the windows, if it was recorded.
  ///   - widths: widths that are wanted of each module, ascending.
  ///   - scalar: its gradients are taken.
  ///   - monitor: hears of the modules that are done.
  public init<Parent: Network>(
    _ factory: SubnetFactory<Parent>, _ choice: SubnetFactory<Parent>.Choice, on windows: TokenWindows,
    recorded: BackwardPass.Recorded? = nil, widths: [[Int]], of scalar: BackwardPass.Scalar = .sampledLoss,
    monitor: Monitor = .silent
  ) throws {
    precondition(factory.repair == .nested, "only least squares have error curves")
    var modules = widths.map { Matrix<Float>(rows: windows.tokens.count, columns: $0.count) }
    let stage = Monitor.Stage(.correlation)
    var done = 0
    try monitor.advance(stage, done, of: widths.count)
    try BackwardPass(windows).runModules(factory.parent, of: scalar, recorded: recorded) { tokens in
      let place = 2 * tokens.layer + (tokens.module == .mlp ? 1 : 0)
      let layer = try factory.rankedLayer(tokens.layer, choice)
      if let terms = layer.lossTerms(tokens, keeping: widths[place]) { modules[place] = terms }
      done += 1
      try monitor.advance(stage, done, of: widths.count)
    }
    self.init(modules, widths: widths, length: windows.length)
  }

  init(_ modules: [Matrix<Float>], widths: [[Int]], length: Int) {
    (self.modules, self.widths, self.length) = (modules, widths, length)
  }

  /// As many values as there are, evenly spread, the first and the last among them.
  public static func some(_ count: Int, of values: [Int]) -> [Int] {
    if values.count <= count { return values }
    return (0..<count).map { values[$0 * (values.count - 1) / max(1, count - 1)] }
  }

  /// `Σ_{i≥s} α_i·β_i` of every token for every width `s`, shape `[tokens, widths]`.
  ///
  /// - Parameters:
  ///   - widths: numbers of inputs, ascending.
  ///   - factors: makes `α` and `β`, shape `[tokens, inputs]`, of some tokens' inputs and gradients.
  static func inBlocks(
    _ inputs: Matrix<Float>, _ gradients: Matrix<Float>, keeping widths: [Int],
    _ factors: @Sendable (_ inputs: Matrix<Float>, _ gradients: Matrix<Float>) -> (Matrix<Float>, Matrix<Float>)
  ) -> Matrix<Float> {
    let result = Matrix<Float>(uninitialized: inputs.rows, columns: widths.count)
    let block = 512
    Threads.forEach((inputs.rows + block - 1) / block) { place in
      let rows = place * block..<min((place + 1) * block, inputs.rows)
      let (alpha, beta) = factors(inputs.rows(rows), gradients.rows(rows))
      for (i, row) in rows.enumerated() {
        var (end, sum) = (alpha.columns, Float(0))
        for (column, width) in widths.enumerated().reversed() {
          sum += Kernels.dot(alpha.row(i) + width, beta.row(i) + width, count: end - width)
          result[row, column] = sum
          end = width
        }
      }
    }
    return result
  }
}
