import Evaluation
import Foundation
import Testing

@testable import Reports

@Suite struct AxesTests {
  let report = SyntheticReports.usual

  @Test func everythingMeasuredIsAnAxis() throws {
    #expect(
      report.axes.map(\.name) == ["kl", "params", "perplexity", "top1_agreement", "bytes", "kept", "total_parameters"])
    let axes = try report.axes(" top1_agreement , bytes")
    #expect(axes.x.name == "top1_agreement" && axes.y.name == "bytes")
    #expect(try report.axes(nil).x.name == "params" && report.axes(nil).y.name == "kl")
  }

  @Test func whatWasNotMeasuredIsNoAxis() {
    var bare = report
    for index in bare.trials.indices { bare.trials[index].values["perplexity"] = nil }
    for index in bare.front.indices { bare.front[index].measurement[.perplexity] = .nan }
    for index in bare.baselines.indices { bare.baselines[index].measurement[.perplexity] = nil }
    #expect(!bare.axes.contains { $0.name == "perplexity" })
  }

  @Test func unknownNamesAreTold() throws {
    let known = report.axes.map(\.name)
    #expect(throws: AxisError.unknown(name: "speed", known: known)) { try report.axes("kl,speed") }
    #expect("\(AxisError.unknown(name: "speed", known: known))".contains("kl, params, perplexity"))
    for text in ["kl", "kl,kl", "kl,params,bytes", "", ","] {
      #expect(throws: AxisError.count(text), "\(text)") { try report.axes(text) }
    }
  }

  @Test(arguments: ["params,kl", "bytes,top1_agreement", "top1_agreement,perplexity", "kl,kept"])
  func frontIsWhatNothingBeats(names: String) throws {
    let axes = try report.axes(names)
    let points = report.plotted.filter(\.isCandidate)
    func isBetter(_ one: Double, _ other: Double, _ axis: ObjectiveDescription) -> Bool {
      axis.direction == .minimize ? one < other : one > other
    }
    let expected = points.indices.filter { place in
      guard let own = axes.at(points[place]) else { return false }
      return !points.contains { other in
        guard let theirs = axes.at(other) else { return false }
        let (better, worse) = (
          isBetter(theirs.x, own.x, axes.x) || isBetter(theirs.y, own.y, axes.y),
          isBetter(own.x, theirs.x, axes.x) || isBetter(own.y, theirs.y, axes.y)
        )
        return better && !worse
      }
    }
    #expect(axes.front(of: points).sorted() == expected && !expected.isEmpty)
  }

  @Test func tableNamesTheFrontAndCountsTheRest() throws {
    let axes = try report.axes("bytes,top1_agreement")
    let found = report.plotted.filter(\.isCandidate)
    let text = AxesTable.render(report, axes)
    let lines = text.split(separator: "\n")
    let front = axes.front(of: found).count
    #expect(lines.count == 2 + front + report.baselines.count + 1 + 1)
    #expect(lines[0].contains("bytes") && lines[0].contains("top-1"))
    #expect(text.contains("\(found.count - front) others are beaten in both."))
    #expect(lines.contains { $0.hasPrefix("dense") } && lines.contains { $0.hasPrefix("uniform") })
  }

  @Test func cacheCountsKeysAndValuesOfEveryLayer() {
    let widths = SyntheticReports.small.front[0].widths
    let groups = widths.reduce(0) { $0 + $1.groups }
    #expect(CacheBytes.value(widths, of: SyntheticReports.small.model) == Double(groups * 64 * 2 * 2))
    #expect(CacheBytes.value([], of: SyntheticReports.small.model) == nil)
  }
}

@Suite struct FigureTests {
  let report = SyntheticReports.usual

  private func figure(_ names: String?, _ format: FrontFigure.Format) throws -> Data {
    FrontFigure.data(report, try report.axes(names), as: format)
  }

  @Test func smallFigureReadsAsRecorded() throws {
    let small = SyntheticReports.small
    let svg = FrontFigure.data(small, try small.axes(nil), as: .svg)
    try expectGolden(String(decoding: svg, as: UTF8.self), "front.svg")
  }

  @Test(arguments: ["params,kl", "top1_agreement,bytes", "perplexity,kept"])
  func svgDrawsEveryPointOnce(names: String) throws {
    let text = String(decoding: try figure(names, .svg), as: UTF8.self)
    #expect(PageReading.unbalanced(text.replacing("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", with: "")) == nil)
    let axes = try report.axes(names)
    let found = report.plotted.filter(\.isCandidate)
    let front = axes.front(of: found).count
    let radii = PageReading.values(of: "r", in: text)
    // The legend has one of each.
    #expect(radii.count { $0 == "1.8" } == front + 1)
    #expect(radii.count { $0 == "1" } == found.count { axes.at($0) != nil } - front + 1)
    #expect(radii.count { $0 == "2.6" } == 2)
    #expect(text.components(separatedBy: "<polygon").count - 1 == report.baselines.count + 1)
    #expect(text.contains("width=\"3.3in\"") && !text.contains("<script") && !text.contains("style"))
  }

  @Test func nothingIsDrawnOutsideTheFigure() throws {
    let drawing = FrontFigure(report, try report.axes(nil)).drawing
    for shape in drawing.shapes {
      let places: [(Drawing.Place, Double)] =
        switch shape {
        case .path(let places, _, _): places.map { ($0, 0) }
        case .circle(let place, let radius, _): [(place, radius)]
        case .words(let words): [(words.place, 0)]
        }
      for (place, room) in places {
        #expect(place.x - room >= 0 && place.x + room <= drawing.width, "\(shape)")
        #expect(place.y - room >= 0 && place.y + room <= drawing.height, "\(shape)")
      }
    }
  }

  @Test func titlesNameUnits() throws {
    let text = String(decoding: try figure("bytes,kl", .svg), as: UTF8.self)
    #expect(text.contains(">Bytes (MB)</text>"))
    #expect(text.contains(">KL (nats a token, log scale)</text>") || text.contains(">KL (nats a token)</text>"))
    #expect(
      AxisUnit(StudyReport.keptAxis, largest: 1).title(StudyReport.keptAxis, isLogarithmic: false)
        == "Block parameters kept (%)")
  }

  @Test func stepsNeverEnterWhatTheFrontLeavesFree() throws {
    // A single step: along x first, then to the better value.
    var two = report
    two.trials = []
    two.front = Array(report.front.prefix(2))
    two.baselines = []
    let axes = try two.axes("params,kl")
    let drawing = FrontFigure(two, axes).drawing
    let steps = drawing.shapes.compactMap { shape -> [Drawing.Place]? in
      if case .path(let places, false, let pen) = shape, pen.width == 0.8 { places } else { nil }
    }
    let corners = try #require(steps.first)
    #expect(steps.count == 1 && corners.count == 3)
    #expect(corners[0].y == corners[1].y && corners[1].x == corners[2].x)
    #expect(corners[0].x < corners[2].x && corners[0].y < corners[2].y)
  }

  @Test func pdfPointsAtItsObjects() throws {
    let data = try figure("params,kl", .pdf)
    // Bytes as characters, so that offsets are counts.
    let text = String(data.map { Character(UnicodeScalar($0)) })
    #expect(text.hasPrefix("%PDF-1.4\n") && text.hasSuffix("%%EOF\n"))
    let start = try #require(text.components(separatedBy: "startxref\n").last?.split(separator: "\n").first)
    let table = text.dropFirst(try #require(Int(start)))
    #expect(table.hasPrefix("xref\n0 7\n"))
    for (index, line) in table.split(separator: "\n").dropFirst(3).prefix(6).enumerated() {
      let offset = try #require(Int(line.prefix(10)))
      #expect(text.dropFirst(offset).hasPrefix("\(index + 1) 0 obj\n"))
      #expect(line.utf8.count == 19)
    }
    let stream = try #require(text.components(separatedBy: "stream\n").dropFirst().first)
    let length = try #require(text.components(separatedBy: "/Length ").last?.split(separator: " ").first)
    #expect(stream.dropLast("end".count).utf8.count == Int(length))
    #expect(stream.contains("(Block parameters \\(millions\\)) Tj") && !stream.contains("nan"))
  }

  @Test func helveticaIsAsWideAsItsMetricsSay() {
    #expect(HelveticaText.width("Hello", size: 1000) == 722 + 556 + 222 + 222 + 556)
    #expect(HelveticaText.width("50 %", size: 10) == (556 + 556 + 278 + 889) / 100.0)
    #expect(HelveticaText.literal("a(b)\\ µ × 千") == "(a\\(b\\)\\\\ \\265 \\327 ?)")
  }

  @Test func endingsSayTheFormat() {
    #expect(FrontFigure.Format(path: "a/front.SVG") == .svg && FrontFigure.Format(path: "front.pdf") == .pdf)
    #expect(FrontFigure.Format(path: "front.png") == nil && FrontFigure.Format(path: "svg") == nil)
  }
}
