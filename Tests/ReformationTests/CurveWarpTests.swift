import Testing

@testable import Reformation

@Suite struct CurveWarpTests {
  /// Eight layers whose modules all lose the same.
  private let curves = (0..<16).map { place in
    ModuleCurve(
      widths: Array(0...10), errors: (0...10).map { Double((10 - $0) * (10 - $0)) },
      costPerUnit: place.isMultiple(of: 2) ? 3 : 2)
  }

  /// Widths by layer: of attention, and of the MLP.
  private func widths(_ parameters: [Double]) throws -> (attention: [Int], mlp: [Int]) {
    let choice = try #require(WidthAllocation.allocate(CurveWarp(parameters).apply(curves), budget: 200))
    let places = Array(0..<8)
    return (places.map { choice[2 * $0] }, places.map { choice[2 * $0 + 1] })
  }

  @Test func zerosChangeNothing() {
    for (a, b) in zip(curves, CurveWarp().apply(curves)) {
      #expect(zip(a.errors, b.errors).allSatisfy { abs($0 - $1) <= 1e-12 * max(1, $0) } && a.widths == b.widths)
    }
  }

  @Test func everyParameterMovesWidth() throws {
    let plain = try widths([0, 0, 0, 0, 0])
    func sum(_ values: some Sequence<Int>) -> Int { values.reduce(0, +) }
    #expect(sum(try widths([1, 0, 0, 0, 0]).attention) > sum(plain.attention))
    #expect(sum(try widths([-1, 0, 0, 0, 0]).attention) < sum(plain.attention))
    let late = try widths([0, 2, 0, 0, 0])
    #expect(late.attention[0] < plain.attention[0] && late.attention[7] > plain.attention[7])
    let early = try widths([0, 0, -2, 0, 0])
    #expect(early.mlp[0] > plain.mlp[0] && early.mlp[7] < plain.mlp[7])
    let ends = try widths([0, 0, 0, 1, 0])
    // What is left over of the budget may buy single steps anywhere.
    #expect(ends.mlp[0] > ends.mlp[3] + 1 && ends.mlp[7] > ends.mlp[4] + 1 && abs(plain.mlp[0] - plain.mlp[3]) <= 1)
    // The larger an error, the more a power of it grows.
    let grown = CurveWarp([0, 0, 0, 0, 0.3]).apply(curves)[0].errors
    #expect(grown[0] / curves[0].errors[0] > grown[5] / curves[0].errors[5] && grown[10] == 0)
  }

  @Test func stepsAreOneParameterEach() {
    #expect(CurveWarp.steps.count == 10)
    for warp in CurveWarp.steps { #expect(warp.parameters.filter { $0 != 0 }.count == 1) }
  }
}
