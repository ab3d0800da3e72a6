import Evaluation

/// The unit in which an axis writes its values, so that its ticks are short numbers.
struct AxisUnit: Equatable, Sendable {
  /// Values are divided by it.
  var size: Double
  /// Empty for plain numbers.
  var name: String

  /// - Parameter largest: the value of largest size on the axis.
  init(_ axis: ObjectiveDescription, largest: Double) {
    let steps: [(Double, String)]
    switch axis.style {
    case .share:
      (size, name) = (0.01, "%")
      return
    case .count: steps = [(1e12, "trillions"), (1e9, "billions"), (1e6, "millions"), (1e3, "thousands")]
    case .bytes: steps = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
    case .time: steps = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")]
    default: steps = []
    }
    let smallest = axis.style == .time ? "ns" : axis.style == .count ? "" : axis.unit
    (size, name) = steps.first { largest >= $0.0 } ?? (1, smallest)
  }

  /// The title of the axis.
  func title(_ axis: ObjectiveDescription, isLogarithmic: Bool) -> String {
    let notes = [name, isLogarithmic ? "log scale" : ""].filter { !$0.isEmpty }.joined(separator: ", ")
    let title = axis.title.prefix(1).uppercased() + axis.title.dropFirst()
    return notes.isEmpty ? title : "\(title) (\(notes))"
  }
}

extension ChartScale {
  /// The scale of any axis: logarithmic where positive values span more than a factor of 20, from zero where the smallest is less
  /// than two fifths of the largest, else around the values.
  static func fitting(_ values: [Double], ticks: Int) -> ChartScale {
    let finite = values.filter(\.isFinite)
    let positive = finite.filter { $0 > 0 }
    guard let low = finite.min(), let high = finite.max() else { return fromZero(to: 1, ticks: ticks) }
    if let least = positive.min(), low >= 0, high / least > 20 {
      return logarithmic(from: least, to: high, ticks: ticks)
    }
    if low >= 0, low < 0.4 * high { return fromZero(to: high * 1.02, ticks: ticks) }
    let room = 0.05 * (high - low)
    return linear(from: low - room, to: high + room, ticks: ticks)
  }
}
