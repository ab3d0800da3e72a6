import Evaluation

/// The axes of a figure, in points.
struct FigureFrame {
  let left = 32.0
  private let right = 6.0
  let bottom = 27.0
  let top: Double
  private let width: Double
  private let height: Double
  let x: ChartScale
  let y: ChartScale
  private let xUnit: AxisUnit
  private let yUnit: AxisUnit
  private let axes: AxisPair

  /// - Parameter legendRows: rows of the legend above the axes.
  init(_ axes: AxisPair, _ points: [PlottedPoint], width: Double, height: Double, legendRows: Int) {
    (self.axes, self.width, self.height) = (axes, width, height)
    top = 6 + 9 * Double(legendRows)
    let places = points.compactMap(axes.at)
    let (xUnit, yUnit) = (
      AxisUnit(axes.x, largest: places.map(\.x).max() ?? 0), AxisUnit(axes.y, largest: places.map(\.y).max() ?? 0)
    )
    (self.xUnit, self.yUnit) = (xUnit, yUnit)
    x = .fitting(places.map { $0.x / xUnit.size }, ticks: 5)
    y = .fitting(places.map { $0.y / yUnit.size }, ticks: 5)
  }

  func place(_ values: (x: Double, y: Double)) -> Drawing.Place {
    [across(values.x / xUnit.size), up(values.y / yUnit.size)]
  }

  private func across(_ value: Double) -> Double { left + (width - left - right) * x.position(value) }
  private func up(_ value: Double) -> Double { height - bottom - (height - top - bottom) * y.position(value) }

  /// The two axes with ticks, numbers and titles.
  func draw(in drawing: inout Drawing, small: Double, large: Double) {
    let pen = Drawing.Pen(stroke: 0, width: 0.5)
    let (floor, end) = (height - bottom, width - right)
    drawing.line([left, floor], [end, floor], pen)
    drawing.line([left, floor], [left, top], pen)
    for tick in x.ticks {
      let at = across(tick)
      drawing.line([at, floor], [at, floor + 2.5], pen)
      drawing.words(x.label(tick), [at, floor + 10], size: small, .middle)
    }
    for tick in y.ticks {
      let at = up(tick)
      drawing.line([left - 2.5, at], [left, at], pen)
      drawing.words(y.label(tick), [left - 4, at + small * 0.36], size: small, .end)
    }
    drawing.words(
      xUnit.title(axes.x, isLogarithmic: x.isLogarithmic), [(left + end) / 2, height - 5], size: large, .middle)
    drawing.words(
      yUnit.title(axes.y, isLogarithmic: y.isLogarithmic), [large, (floor + top) / 2], size: large, .middle,
      isTurned: true)
  }
}
