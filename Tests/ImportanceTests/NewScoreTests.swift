import Foundation
import Testing

@testable import Calibration
@testable import Importance

/// The mean squared activation of a unit. The weights play no role.
struct ActivationEnergy: Importance {
  let name = "activation-energy"
  let summary = "mean squared activation of a unit"
  let source = "an example"

  func scores(of layer: ScoredLayer) -> UnitScores {
    UnitScores(
      groups: layer.foldColumns(layer.statistics.contextSecondMoment),
      channels: layer.statistics.hiddenSecondMoment)
  }
}

/// `docs/adding-a-score.md` shows how to add a score. Its example is the one above.
@Suite struct NewScoreTests {
  @Test func theExampleOfTheDocumentationIsThisOne() throws {
    let here = URL(fileURLWithPath: #filePath)
    let readme = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("docs/adding-a-score.md")
    let parts = try String(contentsOf: readme, encoding: .utf8).components(separatedBy: "```")
    let example = try #require(parts.first { $0.hasPrefix("swift\n") }).dropFirst(6)
    #expect(try String(contentsOf: here, encoding: .utf8).contains(example))
  }

  @Test func theExampleWorks() {
    let tiny = Tiny()
    let scores = ActivationEnergy().scores(of: tiny.layer)
    #expect(scores.channels == (0..<5).map { tiny.statistics.hiddenGram[$0, $0] })
    #expect(scores.groups.count == 3 && scores.groups.allSatisfy { $0 > 0 })
    #expect(scores.ranking.channels.sorted() == Array(0..<5))
  }
}
