import Foundation
import Testing

extension EndToEnd {
  /// Where tables of times come to lie.
  @Suite(.serialized) struct LatencyCommandTests {
    private static let command = [
      "latency", "--model", "model", "--contexts", "", "--prompts", "8", "--widths", "2", "--rounds", "3", "--output",
    ]

    /// Folders above the table are made, and what is in the way is said before anything is measured.
    @Test func aTableComesToLieInANewFolder() throws {
      let workspace = try Workspace("llama3-gqa")
      let outcome = try workspace.run(Self.command + ["new/folder/latency.json"])
      // On a busy machine the times of a tiny model may contradict each other.
      if outcome.code != 0 {
        #expect(outcome.errors.contains("contradict"), "\(outcome)")
      } else {
        #expect(try workspace.text("new/folder/latency.json").contains("nas-search.latency"))
      }
      try workspace.write("x", to: "file")
      let failed = try workspace.run(Self.command + ["file/latency.json"])
      #expect(failed.code == 1 && failed.errors.contains("file/latency.json"), "\(failed)")
      #expect(!failed.errors.contains("contradict"))
    }
  }
}
