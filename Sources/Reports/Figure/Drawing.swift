/// A figure of lines, circles and words, in points (1/72 inch) from its upper left corner. Greys go from 0, black, to 1, white.
struct Drawing: Equatable, Sendable {
  typealias Place = SIMD2<Double>

  /// How an outline is drawn and what fills it.
  struct Pen: Equatable, Sendable {
    var stroke: Double?
    /// Width of the stroke in points.
    var width = 0.5
    var fill: Double?
  }

  enum Anchor: String, Sendable { case start, middle, end }

  /// One line of text.
  struct Words: Equatable, Sendable {
    var text: String
    /// The end or middle of the base line, as `anchor` says.
    var place: Place
    var size: Double
    var anchor = Anchor.start
    /// Read from below to above.
    var isTurned = false
  }

  enum Shape: Equatable, Sendable {
    case path([Place], isClosed: Bool, Pen)
    case circle(Place, radius: Double, Pen)
    case words(Words)
  }

  var width: Double
  var height: Double
  /// What the figure shows, in a sentence.
  var title: String
  var shapes: [Shape] = []

  mutating func line(_ from: Place, _ to: Place, _ pen: Pen) { shapes.append(.path([from, to], isClosed: false, pen)) }

  mutating func words(
    _ text: String, _ place: Place, size: Double, _ anchor: Anchor = .start, isTurned: Bool = false
  ) {
    shapes.append(
      .words(Words(text: text, place: place, size: size, anchor: anchor, isTurned: isTurned)))
  }
}
