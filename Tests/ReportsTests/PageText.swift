@testable import Reports

extension HTMLPage {
  static func render(_ report: StudyReport) -> String { String(decoding: data(report), as: UTF8.self) }
}

extension ComparisonPage {
  static func render(_ comparison: MethodComparison) -> String { String(decoding: data(comparison), as: UTF8.self) }
}
