import Foundation
import Testing

@testable import Reports

@Suite struct ChartScaleTests {
  @Test func roundTicks() {
    #expect(ChartScale.linear(from: 48, to: 101.5, ticks: 7).ticks == [50, 60, 70, 80, 90, 100])
    let scale = ChartScale.linear(from: 0.31, to: 0.62, ticks: 5)
    #expect(scale.ticks.map(scale.label) == ["0.4", "0.5", "0.6"])
    let fine = ChartScale.linear(from: 0.1, to: 0.125, ticks: 5)
    #expect(fine.ticks.map(fine.label) == ["0.100", "0.105", "0.110", "0.115", "0.120", "0.125"])
    let decades = ChartScale.logarithmic(from: 0.03, to: 2.3, ticks: 6)
    #expect(decades.ticks.map(decades.label) == ["0.05", "0.1", "0.2", "0.5", "1", "2"])
  }

  @Test func logarithmicOnlyWhereTheRangeDemandsIt() {
    #expect(!ChartScale.quality([0.1, 1.9], ticks: 6).isLogarithmic)
    #expect(ChartScale.quality([0.1, 2.1], ticks: 6).isLogarithmic)
    #expect(ChartScale.quality([0, 0.1, 1.9], ticks: 6).lower == 0)
  }

  @Test(arguments: [
    [], [0], [0.3], [0.3, 0.3, 0.3], [1e-12, 1e-12], [0, 1e-9], [1e-9, 50], [1e-300, 1e300], [.infinity, 1],
    [.nan], [-0.001, 0.5], [123_456_789, 123_456_790],
  ])
  func everyInputGivesAnAxis(values: [Double]) {
    let finite = values.filter(\.isFinite)
    let scales = [
      ChartScale.quality(values, ticks: 6), .linear(from: finite.min() ?? 0, to: finite.max() ?? 0, ticks: 5),
    ]
    for scale in scales {
      #expect(scale.lower < scale.upper)
      #expect((1...40).contains(scale.ticks.count))
      for value in values + scale.ticks { #expect((0...1).contains(scale.position(value))) }
      for tick in scale.ticks { #expect(scale.label(tick).count <= 16) }
    }
  }

  @Test func positionsRunFromEndToEnd() {
    let linear = ChartScale.linear(from: 10, to: 30, ticks: 4)
    #expect(linear.position(10) == 0 && linear.position(30) == 1 && linear.position(20) == 0.5)
    #expect(linear.position(-5) == 0 && linear.position(.infinity) == 1)
    let logarithmic = ChartScale.logarithmic(from: 1.25, to: 80, ticks: 5)
    #expect(abs(logarithmic.position(10) - 0.5) < 1e-12 && logarithmic.position(0) == 0)
  }
}

@Suite struct PaletteTests {
  /// WCAG 2.2, level AA: 4.5 for text, 3 for graphics.
  @Test(arguments: [Palette.light, Palette.dark])
  func textAndMarksStandOut(palette: Palette) {
    for ground in [palette.background, palette.surface] {
      for color in [palette.text, palette.muted, palette.front, palette.best, palette.knee, palette.baseline] {
        #expect(color.contrast(with: ground) >= 4.5, "\(color.css) on \(ground.css)")
      }
    }
    for ramp in [palette.attention, palette.mlp] {
      for step in Palette.steps {
        let cell = Palette.cell(ramp, step: step)
        #expect(cell.text.contrast(with: cell.background) >= 4.5, "step \(step)")
      }
    }
  }

  @Test func contrastOfBlackAndWhite() {
    #expect(abs(Palette.Color(0x000000).contrast(with: Palette.Color(0xFFFFFF)) - 21) < 1e-9)
    #expect(Palette.Color(0x0B5CAD).css == "#0b5cad")
  }
}

@Suite struct WidthHeatMapTests {
  @Test func rowsAreBalanced() {
    #expect(WidthHeatMap.columns(30, atMost: 32) == 30)
    #expect(WidthHeatMap.columns(30, atMost: 16) == 15)
    #expect(WidthHeatMap.columns(126, atMost: 32) == 32)
    #expect(WidthHeatMap.columns(33, atMost: 32) == 17)
    #expect(WidthHeatMap.columns(1, atMost: 8) == 1)
  }

  @Test func stepsOfTheRamp() {
    #expect(WidthHeatMap.step(0, of: 3) == "none")
    #expect(WidthHeatMap.step(1, of: 3) == "3")
    #expect(WidthHeatMap.step(3, of: 3) == "10")
    #expect(WidthHeatMap.step(5, of: 3) == "10")
    #expect(WidthHeatMap.step(1, of: 0) == "none")
  }
}
