import Testing

@testable import Search

@Suite struct OperatorRatesTests {
  @Test func whatSurvivesIsUsedMore() {
    var rates = OperatorRates()
    for name in Variation.Operator.allCases { #expect(rates.factor(name) == 1) }
    for _ in 0..<20 {
      rates.learn(
        (0..<8).map { _ in ([.shift], true) } + (0..<8).map { _ in ([.nudge], false) }
          + (0..<4).map { ([.swap], $0 < 2) })
    }
    #expect(rates.factor(.shift) > 1.5)
    #expect(rates.factor(.nudge) < 0.5)
    #expect(abs(rates.factor(.swap) - 1) < 0.1)
    // Nobody dies out, and one that was never used has the share that it began with.
    #expect(rates.factor(.nudge) >= 0.25)
    #expect(rates.factor(.redraw) == 1)
    #expect(rates.weight(.shift, share: 6) > rates.weight(.nudge, share: 6))
    #expect(rates.weight(.shift, share: 0) == 0)
  }

  /// An operator that helped once loses its rate if it does not help any more.
  @Test func countsFade() {
    var rates = OperatorRates()
    for _ in 0..<10 { rates.learn((0..<8).map { ([$0 < 4 ? .shift : .nudge], $0 < 4) }) }
    let before = rates.factor(.shift)
    for _ in 0..<40 { rates.learn((0..<8).map { ([$0 < 4 ? .shift : .nudge], $0 >= 4) }) }
    #expect(before > 1.3)
    #expect(rates.factor(.shift) < 0.7)
  }

  /// Without survivors there is nothing to learn.
  @Test func nothingSurvives() {
    var rates = OperatorRates()
    rates.learn([([.shift], false)])
    #expect(rates.factor(.shift) == 1)
  }
}
