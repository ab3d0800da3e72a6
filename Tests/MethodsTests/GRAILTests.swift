import LinearAlgebra
import Reformation
import Testing
import Workbench

@testable import LanguageModels
@testable import Methods

@Suite struct GRAILTests {
  /// It is the minimum of the ridge problem: every small change of a weight makes it worse.
  @Test(arguments: [0, 1e-3, 0.3])
  func reconstructionSolvesTheRidgeProblem(ridge: Double) throws {
    let (problem, kept) = (Problem(inputs: 8, outputs: 3), [0, 2, 3, 6, 7])
    let fitted = try GRAIL.reconstruction(problem.weight, gram: problem.gram, keeping: kept, ridge: ridge)
    #expect(fitted.rows == 3 && fitted.columns == 5)
    let least = problem.error(fitted, kept, ridge: ridge)
    for i in 0..<3 {
      for j in 0..<5 {
        for change: Float in [-0.02, 0.02] {
          let other = fitted.copy()
          other[i, j] += change
          #expect(problem.error(other, kept, ridge: ridge) > least, "\(i) \(j) \(change)")
        }
      }
    }
    #expect(least < problem.error(problem.weight.gatherColumns(kept), kept, ridge: ridge))
  }

  @Test func withoutRidgeNothingRemovedChangesNothingAndAHugeOneForgets() throws {
    let problem = Problem(inputs: 6, outputs: 2)
    let all = Array(0..<6)
    let same = try GRAIL.reconstruction(problem.weight, gram: problem.gram, keeping: all, ridge: 0)
    for (a, b) in zip(same.elements, problem.weight.elements) { #expect(abs(a - b) < 1e-4) }
    let nothing = try GRAIL.reconstruction(problem.weight, gram: problem.gram, keeping: [0, 1], ridge: 1e6)
    #expect(nothing.elements.allSatisfy { abs($0) < 1e-5 })
    let zeros = Matrix<Float>(rows: 4, columns: 4)
    zeros[0, 0] = 1
    #expect(throws: ReformationError.singular(damping: 0)) {
      try GRAIL.reconstruction(problem.weight.columns(0..<4), gram: zeros, keeping: [0, 1], ridge: 0)
    }
    zeros[0, 0] = .nan
    #expect(throws: ReformationError.notFinite) {
      try GRAIL.reconstruction(problem.weight.columns(0..<4), gram: zeros, keeping: [0, 1], ridge: 1e-3)
    }
  }

  /// The first layer is fitted on the dense inputs, the last on those of the pruned prefix.
  @Test func laterLayersAreFittedOnWhatThePrunedOnesGive() throws {
    let tiny = try TinyBench()
    let bench = try tiny.bench()
    let pruned = try tiny.prune("grail", keep: 0.7, "pruner=wanda-sp")
    let plain = try tiny.prune("wanda-sp", keep: 0.7)
    #expect(pruned.units == plain.units && pruned.repair == .sequential)
    let statistics = try bench.statistics()
    func distance(_ index: Int) throws -> Float {
      let kept = pruned.units[index].channels
      let open = try GRAIL.reconstruction(
        tiny.model.layer(index).down.weight, gram: statistics.layer(index).hiddenGram, keeping: kept, ridge: 1e-3)
      let made = try pruned.network.layer(index).down.weight
      return zip(open.elements, made.elements).map { abs($0 - $1) }.max() ?? 0
    }
    #expect(try distance(0) < 1e-4)
    #expect(try distance(tiny.configuration.layerCount - 1) > 1e-3)
    #expect(try bench.divergence(of: pruned.network) < bench.divergence(of: plain.network))
  }
}
