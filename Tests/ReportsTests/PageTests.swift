import Foundation
import Testing

@testable import Reports

@Suite struct PageTests {
  @Test func smallReportReadsAsRecorded() throws {
    try expectGolden(HTMLPage.render(SyntheticReports.small), "report.html")
  }
}
