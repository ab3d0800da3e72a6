import Foundation
import Testing

@testable import Reports

@Suite struct ComparisonTests {
  @Test func smallComparisonReadsAsRecorded() throws {
    let small = SyntheticComparisons.small
    try expectGolden(ComparisonTable.render(small, width: 120), "comparison.txt")
    try expectGolden(ComparisonTable.render(small, width: 120, color: true), "comparison-color.txt")
    try expectGolden(ComparisonTable.render(small, width: 60), "comparison-narrow.txt")
    try expectGolden(WinnersTable.markdown(small), "comparison-winners.md")
    try expectGolden(String(decoding: ComparisonCSV.data(small), as: UTF8.self), "comparison.csv")
    try expectGolden(String(decoding: ComparisonJSON.data(small), as: UTF8.self), "comparison.json")
    try expectGolden(ComparisonPage.render(small), "comparison.html")
  }

  /// Logarithms of ratios to dense, divided; a gap where either is missing.
  @Test func lossesAreSharesOfTheBestOther() {
    let text = WinnersTable.losses(
      SyntheticComparisons.small, of: ["nas-search | 60"], against: ["flap", "llm-pruner"])
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.count == 4 && lines[0] == "| text | method | 90 % kept | 80 % kept | 50 % kept |")
    // ln(36.9/34.81) / ln(38.3/34.81), ln(45.73/34.81) / ln(49.9/34.81), ln(140.1/34.81) / ln(181.25/34.81)
    #expect(
      lines[2] == "| wiki-eval.txt | nas-search \\| 60 | 0.61 of flap | 0.76 of flap | 0.84 of flap |", "\(lines[2])")
    #expect(lines[3].contains("of llm-pruner"))
    #expect(WinnersTable.losses(SyntheticComparisons.small, of: ["uniform"], against: []).isEmpty)
    #expect(WinnersTable.losses(SyntheticComparisons.small, of: ["none"], against: ["flap"]).contains("–"))
  }

  @Test func winnersAreTheLowestFinitePerplexities() throws {
    var comparison = SyntheticComparisons.small
    #expect(comparison.winners.map(\.text) == [0, 0, 0, 1, 1, 1])
    #expect(comparison.winners.map(\.keepTarget) == [0.9, 0.8, 0.5, 0.9, 0.8, 0.5])
    let search = "nas-search | 60"
    #expect(comparison.winners.map(\.method) == [search, search, search, "llm-pruner", search, search])
    let first = try #require(comparison.winners.first)
    #expect(first.perplexity == 36.9 && first.ratioToDense == 36.9 / 34.81)

    comparison.texts[0].densePerplexity = .nan
    #expect(comparison.winners.first?.ratioToDense == nil)
    comparison.cells = comparison.cells.filter { $0.method == "magnitude" }
    #expect(comparison.winners.map(\.text) == [0, 0, 1])
  }

  @Test func equalValuesGoToTheFirstMethod() {
    var comparison = SyntheticComparisons.small
    for index in comparison.cells.indices where comparison.cells[index].failure == nil {
      comparison.cells[index].perplexities = [40, 40]
    }
    #expect(Set(comparison.winners.map(\.method)) == ["uniform"])
    #expect(ComparisonGrid.all(comparison)[0].rows.map { $0.entries.filter(\.isBest).count } == [3, 0, 0, 0, 0])
  }

  @Test func aCellMeasuredAgainReplacesTheFirst() {
    var comparison = SyntheticComparisons.small
    var again = comparison.cells[0]
    again.perplexities = [35, 12.6]
    comparison.cells.append(again)
    #expect(comparison.winners[0].method == "uniform" && comparison.winners[0].perplexity == 35)
  }

  @Test(arguments: [46, 60, 80, 120, 200])
  func tablesFitTheirTerminalAndLoseNothing(width: Int) {
    let comparison = SyntheticComparisons.usual
    let text = ComparisonTable.render(comparison, width: width)
    for line in text.split(separator: "\n") where !line.hasPrefix("Command") {
      #expect(TerminalText.columns(String(line)) <= width, "\(line)")
    }
    for grid in ComparisonGrid.all(comparison) {
      for part in grid.rows.flatMap(\.entries).flatMap(\.parts) { #expect(text.contains(part)) }
    }
  }

  @Test func namesCannotDriveTheTerminal() {
    var comparison = SyntheticComparisons.small
    comparison.methods[0].name = "a\u{1B}[2J"
    comparison.cells[0].method = "a\u{1B}[2J"
    comparison.cells[0].failure = "b\r\nc"
    comparison.texts[0].name = "d\u{7}"
    comparison.calibration = "e\u{1B}"
    let text = ComparisonTable.render(comparison)
    #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    #expect(text.contains("a�[2J") && text.contains("b��c"))
  }

  @Test func csvHasAsManyFieldsInEveryRow() {
    let comparison = SyntheticComparisons.usual
    let lines = String(decoding: ComparisonCSV.data(comparison), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 1 + comparison.cells.count * comparison.texts.count)
    for line in lines {
      #expect(line.split(separator: ",", omittingEmptySubsequences: false).count == ComparisonCSV.columns.count)
    }
  }

  @Test func jsonReadsBack() throws {
    let comparison = SyntheticComparisons.small
    let object = try JSONSerialization.jsonObject(with: ComparisonJSON.data(comparison))
    let root = try #require(object as? [String: Any])
    #expect(root["schema"] as? String == "nas-search.compare" && root["version"] as? Int == 2)
    let cells = try #require(root["cells"] as? [[String: Any]])
    #expect(cells.count == comparison.cells.count)
    #expect(cells[1]["perplexities"] as? [Double] == [58.49, 19.75])
    let destroyed = try #require(cells.last { $0["method"] as? String == "magnitude" })
    #expect((destroyed["perplexities"] as? [Any])?.allSatisfy { $0 is NSNull } == true)
    #expect(cells.contains { ($0["failure"] as? String)?.contains("layer 7") == true })
  }

  @Test func comparisonItselfCanBeStored() throws {
    let comparison = SyntheticComparisons.usual
    #expect(try JSONDecoder().decode(MethodComparison.self, from: JSONEncoder().encode(comparison)) == comparison)
  }

  @Test func bytes() {
    #expect(NumberText.bytes(nil) == "–" && NumberText.bytes(-1) == "–")
    #expect(NumberText.bytes(0) == "0.0 MB")
    #expect(NumberText.bytes(850_400_000) == "850 MB")
    #expect(NumberText.bytes(999_600_000) == "1.00 GB")
    #expect(NumberText.bytes(1_240_000_000) == "1.24 GB")
    #expect(NumberText.bytes(2_500_000_000_000) == "2.50 TB")
  }
}

@Suite struct ComparisonPageTests {
  static let degenerate: [(name: String, comparison: MethodComparison)] = {
    var empty = SyntheticComparisons.small
    empty.cells = []
    var textless = SyntheticComparisons.small
    textless.texts = []
    var methodless = SyntheticComparisons.small
    methodless.methods = []
    var destroyed = SyntheticComparisons.small
    destroyed.cells = destroyed.cells.filter { $0.method == "magnitude" }
    var infinite = SyntheticComparisons.small
    for index in infinite.cells.indices {
      infinite.cells[index].perplexities = [.infinity, .nan]
      infinite.cells[index].kl = .infinity
    }
    var denseless = SyntheticComparisons.small
    (denseless.texts[0].densePerplexity, denseless.texts[1].densePerplexity) = (.nan, 0)
    return [
      ("empty", empty), ("textless", textless), ("methodless", methodless), ("destroyed", destroyed),
      ("infinite", infinite), ("denseless", denseless), ("usual", SyntheticComparisons.usual),
    ]
  }()

  @Test(arguments: degenerate.map(\.name))
  func degenerateComparisonsGiveWellFormedPages(name: String) throws {
    let comparison = try #require(Self.degenerate.first { $0.name == name }).comparison
    let page = ComparisonPage.render(comparison)
    #expect(PageReading.unbalanced(page) == nil)
    for attribute in ["x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "points", "data-x"] {
      for value in PageReading.values(of: attribute, in: page) {
        #expect(!value.contains("n") && !value.contains("∞") && !value.contains("–"), "\(attribute)=\(value)")
      }
    }
    #expect(page.contains("Nothing measured yet") == comparison.cells.isEmpty)
    #expect(!ComparisonTable.render(comparison).isEmpty && !ComparisonJSON.data(comparison).isEmpty)
    #expect(!ComparisonCSV.data(comparison).isEmpty)
    #expect(WinnersTable.markdown(comparison).isEmpty == (comparison.cells.isEmpty || comparison.texts.isEmpty))
  }

  @Test func nothingInAComparisonBecomesMarkup() {
    let hostile = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;<!--"
    var comparison = SyntheticComparisons.small
    comparison.toolVersion = hostile
    comparison.command = hostile
    comparison.calibration = hostile
    comparison.model.name = hostile
    comparison.texts[0].name = hostile
    comparison.stages[0].name = hostile
    comparison.methods[0] = .init(
      name: hostile, summary: hostile, source: hostile, usesGradients: true, settings: [hostile: hostile])
    comparison.cells[0].method = hostile
    comparison.cells[1].method = hostile
    comparison.cells[1].failure = hostile
    let page = ComparisonPage.render(comparison)
    #expect(PageReading.unbalanced(page) == nil)
    #expect(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("<!--"))
    #expect(page.components(separatedBy: "</script>").count == 2)
  }

  @Test func pageAsksForNothing() {
    let page = ComparisonPage.render(SyntheticComparisons.usual)
    for request in ["http:", "https:", "//cdn", "src=", "@import", "url(", "@font-face", "fetch(", "innerHTML"] {
      #expect(!page.contains(request), "\(request)")
    }
    #expect(page.contains("default-src &#39;none&#39;"))
  }

  @Test func destroyedModelsDoNotSquashTheOthers() {
    let winners = [1.06, 1.31, 4.02]
    let axis = RatioScale([1.06, 1.68, 4.02, 25.9, 97_672, .infinity], winners: winners, ticks: 6)
    #expect(axis.ceiling == 4.02 * RatioScale.headroom && axis.scale.isLogarithmic)
    #expect(axis.isClipped(25.9) && axis.isClipped(.infinity) && !axis.isClipped(4.02))
    #expect(axis.scale.position(1.31) - axis.scale.position(1) > 0.08)
    let near = RatioScale([1.02, 1.1, 1.31], winners: winners, ticks: 6)
    #expect(near.ceiling == nil && !near.scale.isLogarithmic)
    let unbounded = RatioScale([1.1, 1.2, .infinity], winners: [1.1], ticks: 6)
    #expect(unbounded.ceiling == 1.2 && unbounded.isClipped(.infinity) && !unbounded.isClipped(1.2))
  }

  @Test(arguments: [
    [], [1], [0.5, 0.9], [.infinity], [.nan], [-1, 0], [1, 1e300], [1e-300, 1], [1.0000001], [2.9, 3.1, 12, 5000],
  ])
  func everyInputGivesAnAxis(ratios: [Double]) {
    for winners in [[], ratios, [1.2]] {
      let scale = RatioScale(ratios, winners: winners, ticks: 6).scale
      #expect(scale.lower < scale.upper && (1...10).contains(scale.ticks.count), "\(scale)")
      for value in ratios + scale.ticks { #expect((0...1).contains(scale.position(value))) }
    }
  }

  @Test func seriesAreToldApart() {
    let styles = (0..<35).map(SeriesStyle.init)
    #expect(Set(styles.map { "\($0.color) \($0.shape)" }).count == 35)
    for (colors, palette) in [(SeriesStyle.light, Palette.light), (SeriesStyle.dark, Palette.dark)] {
      for color in colors { #expect(color.contrast(with: palette.background) >= 4.5, "\(color.css)") }
    }
  }
}
