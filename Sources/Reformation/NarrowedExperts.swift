import Importance
import LanguageModels
import LinearAlgebra

extension ScoredLayer {
  /// The layer whose experts keep the first channels of an order (`ExpertChannels`), each expert's down projection
  /// corrected by least squares on the tokens that use it. That is exact for every expert by itself: which tokens it
  /// gets does not depend on its channels.
  ///
  /// - Parameters:
  ///   - orders: channels of every expert, from the first to the last kept.
  ///   - count: number of channels that every expert keeps.
  ///   - repair: `nested` and `admm` correct; the others inherit.
  ///   - damping: damping as in `NestedReformation`.
  func narrowed(to orders: [[Int]], count: Int, repair: Repair, damping: Double) throws -> ScoredLayer {
    let down = Matrix<Float>(uninitialized: weights.down.outputs, columns: orders.count * count)
    let corrects = repair == .nested || repair == .admm
    for (expert, block) in hiddenBlocks().enumerated() {
      let (own, target) = (
        weights.down.weight.columns(block.channels), down.columns(expert * count..<(expert + 1) * count)
      )
      guard corrects, count < orders[expert].count else {
        target.assign(own.gatherColumns(Array(orders[expert].prefix(count))))
        continue
      }
      do {
        let solver = try NestedReformation(
          gram: block.gram, weight: own, order: orders[expert], damping: damping, engine: engine)
        target.assign(solver.weight(keeping: count))
      } catch {
        throw ReformationError.layer(index, module: "expert \(expert)", problem: "\(error)")
      }
    }
    return narrowed(to: orders.map { Array($0.prefix(count)) }, down: down)
  }
}
