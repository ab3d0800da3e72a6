import Reports
import Testing

@Suite struct StageProgressTests {
  @Test func aTerminalSeesEveryStepWithItsEnd() {
    var stage = StageProgress()
    #expect(stage.line("statistics", done: 0, total: 30, at: 100) == "statistics: 0/30")
    #expect(stage.line("statistics", done: 1, total: 30, at: 100.5) == "statistics: 1/30")
    #expect(stage.line("statistics", done: 10, total: 30, at: 120) == "statistics: 10/30  ETA 00:40")
    #expect(stage.line("statistics", done: 30, total: 30, at: 160) == "statistics: 30/30")
    #expect(stage.line("curves", done: 0, total: 3, at: 161) == "curves: 0/3")
  }

  @Test func aLogSeesStagesAndLongOnesNowAndThen() {
    var stage = StageProgress()
    #expect(stage.log("statistics", done: 0, total: 30, at: 0) == ["statistics …"])
    #expect(stage.log("statistics", done: 5, total: 30, at: 14) == [])
    #expect(stage.log("statistics", done: 6, total: 30, at: 18) == ["statistics: 6/30  ETA 01:12"])
    #expect(stage.log("statistics", done: 10, total: 30, at: 30) == [])
    #expect(stage.log("curves", done: 0, total: 3, at: 90) == ["statistics: 01:30", "curves …"])
    // A short stage leaves no line behind.
    #expect(stage.log("repair", done: 0, total: 3, at: 91) == ["repair …"])
    #expect(stage.end(at: 92) == [])
    #expect(stage.end(at: 200) == [])
  }

  /// What a resumed run found done says nothing about its speed.
  @Test func stepsDoneBeforeDoNotCount() {
    var stage = StageProgress()
    #expect(stage.line("cells", done: 20, total: 30, at: 0) == "cells: 20/30")
    #expect(stage.line("cells", done: 22, total: 30, at: 20) == "cells: 22/30  ETA 01:20")
  }
}
