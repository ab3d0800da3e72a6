import Testing

@testable import Reports

@Suite struct TerminalTableTests {
  @Test func smallReportReadsAsRecorded() throws {
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 120), "table.txt")
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 120, color: true), "table-color.txt")
    try expectGolden(TerminalTable.render(SyntheticReports.small, width: 60), "table-narrow.txt")
  }
}
