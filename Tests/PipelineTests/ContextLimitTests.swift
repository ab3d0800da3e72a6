import Checkpoints
import Foundation
import Testing

@testable import Pipeline

/// Windows and the positions that models know. The fixtures have 256 and 128.
@Suite struct ContextLimitTests {
  private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/models").path

  /// The length, and what was remarked.
  private func length(
    _ given: Int?, default standard: Int, of models: String...
  ) throws -> (length: Int, remarks: [String]) {
    let paths = models.map { Self.models + "/" + $0 }
    var length = 0
    let heard = try Notices.heard {
      let limit = try paths.count == 1 ? ContextLimit(of: paths[0]) : ContextLimit(of: paths[0], paths[1])
      length = limit.length(given, default: standard, option: "--window")
    }
    return (length, heard.filter { $0.contains("--window") })
  }

  @Test func whatFitsIsTakenWithoutAWord() throws {
    for (given, standard, expected) in [(nil, 128, 128), (256, 512, 256), (nil, 256, 256), (2, 512, 2)] {
      let found = try length(given, default: standard, of: "llama3-gqa")
      #expect(found.length == expected && found.remarks.isEmpty, "\(found)")
    }
  }

  @Test func defaultsGiveWay() throws {
    let found = try length(nil, default: 2048, of: "llama3-gqa")
    #expect(found.length == 256)
    #expect(found.remarks.count == 1)
    #expect(found.remarks.first?.hasPrefix("--window is 256 instead of 2048 tokens, the context of ") == true)
  }

  @Test func requestsAreKeptWithAWarning() throws {
    let found = try length(300, default: 128, of: "llama3-gqa")
    #expect(found.length == 300)
    #expect(found.remarks.count == 1 && found.remarks[0].contains("--window 300 exceeds the context of"))
    #expect(found.remarks[0].contains("llama3-gqa, 256 tokens"))
  }

  @Test func theModelWithTheFewestPositionsDecides() throws {
    for models in [("llama3-gqa", "mistral-gqa"), ("mistral-gqa", "llama3-gqa")] {
      let found = try length(nil, default: 512, of: models.0, models.1)
      #expect(found.length == 128 && found.remarks.first?.contains("mistral-gqa") == true, "\(found)")
    }
  }
}
