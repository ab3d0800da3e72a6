import Foundation
import Subnets
import Testing

@testable import Evaluation
@testable import Reports

@Suite struct PageTests {
  @Test func smallReportReadsAsRecorded() throws {
    try expectGolden(HTMLPage.render(SyntheticReports.small), "report.html")
  }

  static let degenerate: [(name: String, report: StudyReport)] = {
    var empty = SyntheticReports.usual
    (empty.trials, empty.front, empty.convergence, empty.baselines) = ([], [], [], [])
    (empty.evaluationsDone, empty.finishedAt) = (0, nil)
    let one = SyntheticReports.make(model: SyntheticReports.model, trials: 1, front: 1)
    var equal = SyntheticReports.usual
    for index in equal.front.indices { equal.front[index].measurement[.kl] = 0.3 }
    for index in equal.trials.indices { equal.trials[index].values["kl"] = 0.3 }
    var infinite = SyntheticReports.small
    infinite.front[0].measurement[.kl] = .infinity
    infinite.front[1].measurement[.kl] = .nan
    infinite.front[2].measurement[.perplexity] = .infinity
    infinite.trials[0].values["kl"] = .nan
    infinite.convergence = [ConvergencePoint(evaluations: 1, seconds: 1, bestValue: .infinity, hypervolume: .nan)]
    var bare = SyntheticReports.small
    for index in bare.front.indices {
      bare.front[index].widths = []
      bare.front[index].measurement[.perplexity] = nil
      bare.front[index].isBest = false
      bare.front[index].isKnee = false
    }
    var gone = SyntheticReports.small
    gone.front[1].widths[2] = LayerWidths(groups: 0, channels: 0)
    return [
      ("empty", empty), ("one", one), ("equal", equal), ("infinite", infinite), ("bare", bare), ("gone", gone),
      ("wide", SyntheticReports.make(model: SyntheticReports.wide, trials: 1600, front: 60)),
    ]
  }()

  @Test(arguments: degenerate.map(\.name))
  func degenerateReportsGiveWellFormedPages(name: String) throws {
    let report = try #require(Self.degenerate.first { $0.name == name }).report
    let page = HTMLPage.render(report)
    #expect(PageReading.unbalanced(page) == nil)
    #expect(try embedded(page).count == report.front.count)
    for attribute in ["x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "points", "data-x", "d"] {
      for value in PageReading.values(of: attribute, in: page) {
        #expect(!value.contains("n") && !value.contains("∞") && !value.contains("–"), "\(attribute)=\(value)")
      }
    }
    for point in report.front {
      #expect(page.contains("id=\"point-\(point.index)\"") && page.contains("id=\"export-\(point.index)\""))
    }
    #expect(page.contains("no finished evaluation yet") == report.front.isEmpty)
    #expect(page.contains("This study is unfinished") == (report.finishedAt == nil))
  }

  @Test func nothingInAReportBecomesMarkup() throws {
    let hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;<!--"
    var report = SyntheticReports.small
    report.name = hostile
    report.directory = hostile
    report.toolVersion = hostile
    report.model.name = hostile
    report.model.architecture = hostile
    report.model.fingerprint = hostile
    report.settings = [Setting(hostile, hostile)]
    report.command = hostile
    report.calibration = hostile
    report.fitness.source = hostile
    report.objectives = [
      ObjectiveDescription(
        name: hostile, title: hostile, unit: hostile, summary: hostile, style: .plain, direction: .maximize,
        isSize: false)
    ]
    for index in report.front.indices { report.front[index].measurement.values[hostile] = 1 }
    report.bestValueName = hostile
    report.notes = [hostile]
    report.baselines[0].label = hostile
    report.baselines[0].score = hostile
    report.trials[0].origin = hostile
    report.front[1].score = hostile
    report.front[1].calibration = hostile
    report.finishedAt = nil
    let page = HTMLPage.render(report)
    #expect(PageReading.unbalanced(page) == nil)
    #expect(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("<!--"))
    #expect(page.components(separatedBy: "</script>").count == 3)
    #expect(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"))
    let caption = try embedded(page)[1]["caption"] as? String
    #expect(caption?.contains(hostile) == true)
  }

  @Test func pageAsksForNothing() {
    let page = HTMLPage.render(SyntheticReports.usual)
    for request in ["http:", "https:", "//cdn", "src=", "@import", "url(", "@font-face", "fetch(", "innerHTML"] {
      #expect(!page.contains(request), "\(request)")
    }
    #expect(page.contains("default-src &#39;none&#39;"))
  }

  @Test func pageIsCompleteWithoutItsScript() throws {
    let report = SyntheticReports.usual
    let page = HTMLPage.render(report)
    let best = try #require(report.recommended)
    #expect(best.isBest)
    for (layer, widths) in best.widths.enumerated() {
      #expect(page.contains("Layer \(layer): \(widths.groups) of 3 KV groups, \(widths.channels) of 1536"))
    }
    for point in report.front {
      for format in ExportCommand.Format.allCases {
        #expect(page.contains(Markup.escape(ExportCommand.text(report, point, format: format))))
      }
    }
    #expect(page.contains("<title>point 3\n") && page.contains("prefers-color-scheme: dark"))
    #expect(page.contains("@media print"))
  }

  @Test func scriptKnowsEveryPointInEveryAxis() throws {
    let report = SyntheticReports.usual
    let root = try data(HTMLPage.render(report))
    let axes = try #require(root["axes"] as? [[String: Any]])
    #expect(axes.map { $0["up"] as? Bool } == report.axes.map { $0.direction == .maximize })
    let evaluations = try #require(root["evaluations"] as? [[Any]])
    let others = try #require(root["plotted"] as? [[String: Any]])
    #expect(evaluations.count + others.count == report.plotted.count && evaluations.count > 100)
    #expect(evaluations.allSatisfy { $0.count == 1 + axes.count })
    let place = try #require(report.axes.firstIndex { $0.name == "bytes" })
    #expect(axes[place]["title"] as? String == "Bytes (MB)")
    for (point, plotted) in zip(others, report.front) {
      let values = try #require(point["values"] as? [Double])
      let bytes = try #require(plotted.measurement.values["bytes"])
      #expect(abs(values[place] / (bytes / 1e6) - 1) < 1e-3 && point["point"] as? Int == plotted.index)
    }
  }

  @Test func phonesScrollNoPage() throws {
    let page = HTMLPage.render(SyntheticReports.measured)
    #expect(page.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""))
    // What may be wider than a phone scrolls by itself; nothing else has a width that does not give way.
    let main = try #require(page.components(separatedBy: "<main>").last?.components(separatedBy: "</main>").first)
    var before = ""
    for piece in main.components(separatedBy: "<table").dropLast() {
      before += piece
      let section = before.components(separatedBy: "<section").last ?? ""
      #expect(
        section.contains("class=\"scroll\"") || section.contains("class=\"facts\""), "\(section.prefix(80))")
    }
    let style = page.components(separatedBy: "<style>").last?.components(separatedBy: "</style>").first ?? ""
    #expect(style.contains(".facts table { table-layout: fixed; }"))
    for width in style.matches(of: #/[ {;](?:min-)?width: ([0-9.]+)(rem|px)/#) {
      let pixels = (Double(width.1) ?? .infinity) * (width.2 == "rem" ? 16 : 1)
      #expect(pixels < 320, "\(width.0)")
    }
    // Fingers need 44 pixels.
    let targets = style.components(separatedBy: "(pointer: coarse) {").last ?? ""
    for target in ["select", "button", "summary", "a"] {
      #expect(targets.contains(target) && targets.contains("min-height: 44px"), "\(target)")
    }
  }

  @Test func manyEvaluationsBecomeOnePath() {
    let few = HTMLPage.render(SyntheticReports.make(model: SyntheticReports.model, trials: 100, front: 5))
    let many = HTMLPage.render(SyntheticReports.make(model: SyntheticReports.model, trials: 3000, front: 5))
    #expect(few.contains("class=\"trial\"") && !few.contains("class=\"trials\""))
    #expect(many.contains("class=\"trials\""))
    #expect(many.utf8.count < 400_000, "\(many.utf8.count)")
  }

  @Test func cardsCompareWithTheBaselineOfTheSameSize() throws {
    let report = SyntheticReports.usual
    let cards = KeyFigures(report: report).cards
    let card = try #require(cards.first { $0.title == "Against uniform" })
    #expect(card.value == "−46 % KL")
    var far = report
    far.baselines.removeAll { abs($0.measurement.keepRatio - 0.76) < 0.03 }
    #expect(!KeyFigures(report: far).cards.contains { $0.title.hasPrefix("Against") })
  }

  // MARK: Reading pages back

  /// Points in the data that the page carries for its script.
  private func embedded(_ page: String) throws -> [[String: Any]] {
    try #require(try data(page)["points"] as? [[String: Any]])
  }

  private func data(_ page: String) throws -> [String: Any] {
    let start = try #require(page.range(of: "id=\"report-data\">"))
    let end = try #require(page.range(of: "</script>", range: start.upperBound..<page.endIndex))
    let data = Data(page[start.upperBound..<end.lowerBound].utf8)
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }
}
