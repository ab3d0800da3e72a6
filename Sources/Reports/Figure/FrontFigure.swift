import Evaluation
import Foundation

/// The front in any two axes as a figure for a paper: one column (3.3 inches) wide, in greys, every kind of model with a mark of its
/// own. What is beaten in both axes is a light dot; the front's steps bound what it beats.
public struct FrontFigure {
  /// The formats of figures, by the endings of their names.
  public enum Format: String, CaseIterable, Sendable {
    case svg, pdf

    /// - Returns: `nil` for any other ending.
    public init?(path: String) {
      self.init(rawValue: URL(fileURLWithPath: path).pathExtension.lowercased())
    }

    /// Words that every figure of ours holds.
    public var mark: String {
      switch self {
      case .svg: SVGDrawing.mark
      case .pdf: PDFDrawing.mark
      }
    }
  }

  /// - Parameter axes: of the report (`StudyReport.axes(_:)`).
  /// - Returns: the same report and axes always give the same bytes.
  public static func data(_ report: StudyReport, _ axes: AxisPair, as format: Format) -> Data {
    let drawing = FrontFigure(report, axes).drawing
    return switch format {
    case .svg: SVGDrawing.data(drawing)
    case .pdf: PDFDrawing.data(drawing)
    }
  }

  private static let width = 3.3 * 72
  private static let height = 2.4 * 72
  private static let small = 7.0
  private static let large = 8.0
  private static let tiny = 5.5
  /// Base line of the legend's first row.
  private static let legendTop = 8.0
  private static let light = 0.68

  private let name: String
  private let axes: AxisPair
  private var frame: FigureFrame
  private let points: [PlottedPoint]
  /// Places in `points`.
  private let front: [Int]
  private let baselines: [String]

  init(_ report: StudyReport, _ axes: AxisPair) {
    let plotted = report.plotted(axes)
    let candidates = plotted.indices.filter { plotted[$0].isCandidate }
    (name, self.axes, points) = (report.name, axes, plotted)
    front = axes.front(of: candidates.map { plotted[$0] }).map { candidates[$0] }
    baselines = plotted.filter { $0.kind == .baseline }.map(\.name).reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }
    frame = FigureFrame(axes, plotted, width: Self.width, height: Self.height, legendRows: 1)
    let rows = legendPlaces.map(\.place.y).max().map { $0 > Self.legendTop ? 2 : 1 } ?? 1
    frame = FigureFrame(axes, plotted, width: Self.width, height: Self.height, legendRows: rows)
  }

  var drawing: Drawing {
    var drawing = Drawing(
      width: Self.width, height: Self.height,
      title: "\(name): \(axes.y.title) over \(axes.x.title), \(front.count) of \(points.count) points on the front")
    frame.draw(in: &drawing, small: Self.small, large: Self.large)
    if !front.isEmpty { drawing.shapes.append(.path(corners, isClosed: false, .init(stroke: 0, width: 0.8))) }
    for (mark, point) in marks {
      guard let at = axes.at(point) else { continue }
      Self.draw(mark, frame.place(at), in: &drawing)
    }
    labels(in: &drawing)
    legend(in: &drawing)
    return drawing
  }

  /// The points with their marks, in the order in which they lie on each other.
  private var marks: [(mark: Mark, point: PlottedPoint)] {
    let isFront = Set(front)
    let marked = points.enumerated().map { place, point -> (mark: Mark, point: PlottedPoint) in
      let mark: Mark =
        switch point.kind {
        case .evaluation, .file: isFront.contains(place) ? .front : .dominated
        case .baseline: .baseline
        case .dense: .dense
        case .denseFile: isFront.contains(place) ? .dense : .dominatedDense
        }
      return (mark, point)
    }
    return marked.enumerated().sorted { ($0.element.mark, $0.offset) < ($1.element.mark, $1.offset) }.map(\.element)
  }

  /// From each point of the front along the x axis to where the next one is better.
  private var corners: [Drawing.Place] {
    let best = front.compactMap { axes.at(points[$0]) }.sorted {
      axes.x.direction.minimized($0.x) < axes.x.direction.minimized($1.x)
    }
    guard var last = best.first else { return [] }
    var corners = [frame.place(last)]
    for next in best.dropFirst() {
      corners += [frame.place((next.x, last.y)), frame.place(next)]
      last = next
    }
    return corners
  }

  // MARK: Marks

  private enum Mark: Int, Comparable {
    case dominated, dominatedDense, baseline, front, dense

    static func < (left: Mark, right: Mark) -> Bool { left.rawValue < right.rawValue }
  }

  private static func draw(_ mark: Mark, _ place: Drawing.Place, in drawing: inout Drawing) {
    switch mark {
    case .dominated: drawing.shapes.append(.circle(place, radius: 1, .init(fill: light)))
    case .front: drawing.shapes.append(.circle(place, radius: 1.8, .init(stroke: 1, width: 0.4, fill: 0)))
    case .baseline:
      let corners: [Drawing.Place] = [[0, -2.6], [2.4, 1.8], [-2.4, 1.8]]
      drawing.shapes.append(.path(corners.map { place + $0 }, isClosed: true, .init(stroke: 0, width: 0.6, fill: 1)))
    case .dense: drawing.shapes.append(.circle(place, radius: 2.6, .init(stroke: 0, width: 1, fill: 1)))
    case .dominatedDense: drawing.shapes.append(.circle(place, radius: 2.2, .init(stroke: light, width: 1, fill: 1)))
    }
  }

  /// Types of files, with the numbers of their points: right, left, below or above of their marks, wherever there is room.
  private func labels(in drawing: inout Drawing) {
    let files = points.filter { [.file, .denseFile].contains($0.kind) }
    let places = files.compactMap(axes.at).map(frame.place)
    var taken = places.map { (from: $0 - 2.6, to: $0 + 2.6) }
    taken += zip(corners, corners.dropFirst()).map {
      (from: pointwiseMin($0, $1) - 0.5, to: pointwiseMax($0, $1) + 0.5)
    }
    for (point, place) in zip(files, places) {
      let text = point.label
      let width = HelveticaText.width(text, size: Self.tiny)
      let starts: [Drawing.Place] = [
        [4, 2], [-4 - width, 2], [4, 8], [-4 - width, 8], [-width / 2, 9], [-width / 2, -4.5],
      ]
      for start in starts.map({ place + $0 }) {
        let box = (from: start - [0, Self.tiny * 0.75], to: start + [width, 1])
        let isInside =
          box.from.x > frame.left + 1 && box.to.x < Self.width && box.from.y > frame.top - 3
          && box.to.y < Self.height - frame.bottom
        let isFree = !taken.contains {
          box.from.x < $0.to.x && $0.from.x < box.to.x && box.from.y < $0.to.y && $0.from.y < box.to.y
        }
        guard isInside, isFree else { continue }
        drawing.words(text, start, size: Self.tiny)
        taken.append(box)
        break
      }
    }
  }

  /// Where the marks that occur are explained: a row or two above the axes.
  private var legendPlaces: [(mark: Mark, text: String, place: Drawing.Place)] {
    let marks = Set(marks.map(\.mark))
    let showsFiles = points.contains { $0.kind == .file || $0.kind == .denseFile }
    var entries: [(Mark, String)] = []
    if marks.contains(.front) { entries.append((.front, showsFiles ? "exported points" : "front")) }
    if marks.contains(.dominated) { entries.append((.dominated, "dominated")) }
    if !baselines.isEmpty { entries.append((.baseline, baselines.joined(separator: ", "))) }
    if marks.contains(.dense) { entries.append((.dense, showsFiles ? "dense model" : dense)) }
    if marks.contains(.dominatedDense) { entries.append((.dominatedDense, "dense, dominated")) }
    var place: Drawing.Place = [frame.left, Self.legendTop]
    return entries.map { mark, text in
      let width = HelveticaText.width(text, size: Self.small) + 9
      if place.x > frame.left, place.x + width > Self.width { place = [frame.left, place.y + 9] }
      defer { place.x += width + 8 }
      return (mark, text, place)
    }
  }

  private func legend(in drawing: inout Drawing) {
    for (mark, text, place) in legendPlaces {
      Self.draw(mark, place + [2.6, -2.4], in: &drawing)
      drawing.words(text, place + [7.5, 0], size: Self.small)
    }
  }

  /// Zero has no place on a logarithmic axis.
  private var dense: String {
    guard let dense = points.first(where: { $0.kind == .dense }).flatMap(axes.at) else { return "dense" }
    return frame.y.isLogarithmic && dense.y <= 0 || frame.x.isLogarithmic && dense.x <= 0 ? "dense (at 0)" : "dense"
  }
}
