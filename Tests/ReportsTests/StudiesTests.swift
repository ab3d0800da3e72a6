import Foundation
import Testing

@testable import Reports

@Suite struct StudiesTests {
  private static var pair: [StudyReport] {
    let first = SyntheticReports.usual
    var second = first
    second.name = "other"
    second.settings[3].value = "Bayesian"
    second.evaluationsDone += 8
    second.convergence = second.convergence.map { point in
      var point = point
      point.hypervolume = point.hypervolume.map { $0 + 0.01 }
      return point
    }
    for index in second.front.indices { second.front[index].measurement.values["kl", default: 0] *= 0.9 }
    return [first, second]
  }

  private func line(_ text: String, _ start: String) -> [Substring] {
    text.split(separator: "\n").first { $0.hasPrefix(start) }?.split(separator: " ").suffix(2) ?? []
  }

  @Test func whatDiffersIsShown() throws {
    let text = StudiesTable.render(Self.pair)
    #expect(line(text, "study") == ["smollm2-135m-widths", "other"])
    #expect(text.contains("optimiser") && text.contains("NSGA-II, population 20  "))
    #expect(!text.contains("KV groups per layer"))
    #expect(!text.contains("do not compare"))
    let kl = line(text, "KL, at most 80 % kept").compactMap { Double($0) }
    try #require(kl.count == 2)
    #expect(abs(kl[1] / kl[0] - 0.9) < 0.001)
  }

  /// Hypervolumes are compared after as many evaluations of each.
  @Test func equalEvaluations() throws {
    let reports = Self.pair
    let rows = StudiesTable.results(reports).filter { $0.name.hasPrefix("hypervolume") }
    let last = try #require(reports[0].convergence.last)
    #expect(rows.last?.name == "hypervolume after \(last.evaluations)")
    let expected = try #require(last.hypervolume)
    #expect(rows.last?.cells == [expected, expected + 0.01].map { String(format: "%.4f", $0) })
  }

  @Test func whatDoesNotCompareIsSaid() {
    var reports = Self.pair
    reports[1].fitness.tokens += 1
    #expect(StudiesTable.render(reports).contains("different fitness windows"))
    reports[1].model.fingerprint = "other"
    #expect(StudiesTable.render(reports).contains("different models"))
  }

  @Test func allocationsSideBySide() {
    let table = AllocationTable(report: SyntheticReports.usual)
    #expect(table.points.count <= 13)
    #expect(table.points.contains { $0.index == SyntheticReports.usual.recommended?.index })
    let cells = table.markup.source.components(separatedBy: "data-step").count - 1
    #expect(cells == table.points.count * SyntheticReports.usual.model.layers * 2)
  }

  @Test func importanceHasSums() throws {
    let table = ImportanceTable(report: SyntheticReports.usual)
    let sums = table.kinds
    #expect(sums.map(\.name) == ["attention of all layers", "mlp of all layers"])
    let own = SyntheticReports.usual.importance.filter { $0.name.hasSuffix(".mlp") }.reduce(0) { $0 + $1.share }
    #expect(abs(sums[1].share - own) < 1e-12)
  }
}
