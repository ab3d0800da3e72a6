import Evaluation
import Search
import Testing

@testable import Reports

@Suite struct TerminalTableTests {
  @Test func smallReportReadsAsRecorded() throws {
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 120), "table.txt")
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 120, color: true), "table-color.txt")
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 60), "table-narrow.txt")
  }

  @Test(arguments: [34, 60, 80, 100, 132, 240])
  func tableFitsItsTerminalAndLosesNoRow(width: Int) throws {
    let report = SyntheticReports.make(model: SyntheticReports.wide, trials: 300, front: 60)
    let lines = TerminalTable.render(report, width: width).split(separator: "\n", omittingEmptySubsequences: false)
    let rule = try #require(lines.firstIndex { $0.hasPrefix("───") })
    let table = lines[(rule - 1)...].prefix { !$0.isEmpty }
    #expect(table.count == 2 + 1 + report.baselines.count + report.front.count)
    for line in table { #expect(TerminalText.columns(String(line)) <= width, "\(line)") }
    for point in report.front { #expect(table.contains { $0.hasPrefix("\(point.index) ") }) }
    #expect(table.first?.contains("KL") == true)
  }

  @Test func coloursOnlyWhenAskedFor() {
    #expect(!TerminalTable.render(SyntheticReports.usual).contains("\u{1B}"))
    #expect(TerminalTable.render(SyntheticReports.usual, color: true).contains("\u{1B}["))
  }

  @Test func namesCannotDriveTheTerminal() {
    var report = SyntheticReports.small
    report.name = "a\u{1B}[2Jb\nc"
    report.front[0].score = "s\rt"
    let text = TerminalTable.render(report)
    #expect(!text.contains("\u{1B}") && !text.unicodeScalars.contains("\r"))
    #expect(text.contains("a�[2Jb�c") && text.contains("s�t"))
  }

  @Test func unfinishedStudyWithoutFrontSaysHowToGoOn() {
    var report = SyntheticReports.small
    (report.front, report.trials, report.baselines, report.finishedAt) = ([], [], [], nil)
    report.evaluationsDone = 0
    let text = TerminalTable.render(report)
    #expect(text.contains("No finished evaluation yet"))
    #expect(text.contains("Resume:  " + report.command))
    #expect(text.contains("0 of 12 evaluations") && text.contains("unfinished"))
    #expect(!text.contains("score") && !text.contains("Export:"))
  }

  @Test func unmeasuredColumnsDisappear() {
    var report = SyntheticReports.small
    report.dense[.perplexity] = nil
    for index in report.front.indices { report.front[index].measurement[.perplexity] = nil }
    for index in report.baselines.indices { report.baselines[index].measurement[.perplexity] = nil }
    let text = TerminalTable.render(report)
    #expect(!text.contains("perplexity") && !text.contains("× dense"))
    #expect(!text.contains("Some columns do not fit"))
  }

  @Test func columnsOfWideAndCombiningCharacters() {
    #expect(TerminalText.columns("Qwen-千问") == 9)
    #expect(TerminalText.columns("e\u{301}") == 1)
    #expect(TerminalText.truncate("千问千问", to: 5) == "千问…")
    #expect(TerminalText.pad("千", to: 4, .right) == "  千")
    #expect(TerminalText.wrap("one two three", to: 7) == ["one two", "three"])
  }
}

@Suite struct ProgressLineTests {
  static let progress = SearchProgress(
    evaluationsDone: 57, budget: SearchBudget(evaluations: 200), elapsedSeconds: 177, secondsPerEvaluation: 3.1,
    bestValue: 0.3124, hypervolume: 0.81203)

  @Test func barOfUsualWidth() {
    #expect(
      ProgressLine.bar(Self.progress, width: 80)
        == "[######.................] 57/200  best KL 0.312  HV 0.812  3.1 s/eval  ETA 07:23")
  }

  @Test(arguments: 0...140)
  func barNeverExceedsItsWidth(width: Int) {
    let line = ProgressLine.bar(Self.progress, width: width)
    #expect(TerminalText.columns(line) <= width)
    #expect(width < 30 || line.hasPrefix("["))
    #expect(width < 20 || line.contains("57/200"))
  }

  @Test func firstEvaluationKnowsNothingYet() {
    let progress = SearchProgress(evaluationsDone: 0, budget: SearchBudget(evaluations: 200), elapsedSeconds: 0)
    #expect(
      ProgressLine.bar(progress, width: 80)
        == "[..............................] 0/200  best KL –  HV –  – s/eval  ETA --:--")
  }

  @Test func timeAndCountEndWhicheverIsFirst() {
    var progress = Self.progress
    progress.budget = SearchBudget(evaluations: 200, seconds: 200)
    #expect(progress.secondsLeft == 23)
    #expect(progress.fractionDone == 177.0 / 200)
    progress.budget = SearchBudget(seconds: 100)
    #expect(progress.secondsLeft == 0 && progress.fractionDone == 1)
    #expect(ProgressLine.bar(progress, width: 80).contains("##] 57  best"))
    progress.budget = SearchBudget()
    #expect(progress.secondsLeft == nil && progress.fractionDone == 0)
  }

  @Test func generationLine() {
    #expect(
      ProgressLine.generation(4, front: 14, Self.progress)
        == "generation 4  57/200 evaluations  best KL 0.312  HV 0.812  front 14  3.1 s/eval  02:57 elapsed  ETA 07:23")
  }
}
