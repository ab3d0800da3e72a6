import Foundation
import Studies
import Testing

extension EndToEnd {
  /// Several processes that evaluate the candidates of one study.
  @Suite(.serialized) struct Workers {
    private static let study = "results/study"

    private func search(_ more: String..., study: String = Self.study) -> [String] {
      Workspace.search(
        "--calibration", "text/lighthouse.txt", "--population", "8", "--fitness-windows", "32", "--fitness-length",
        "128", budget: "40", study: study) + more
    }

    private func owners(_ workspace: Workspace) throws -> Set<String> {
      try Set(Study.open(.folder(workspace.url(Self.study)), access: .inspect).trials().compactMap(\.owner))
    }

    /// With `--only-workers` everything is theirs; one of them is killed at work.
    @Test func findWhatOneProcessFinds() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(search(study: "alone")).expectSuccess()
      let main = try RunningTool(search("--only-workers", "--lease", "1"), in: workspace)
      let worker = ["worker", Self.study, "--portion", "3", "--lease", "1", "--wait", "30"]
      let workers = try (0..<3).map { _ in try RunningTool(worker, in: workspace) }
      workers[0].wait { workers[0].errors.contains("evaluated") }
      workers[0].send(SIGKILL)
      _ = try workers[0].finish()
      for worker in workers.dropFirst() {
        let outcome = try worker.finish()
        outcome.expectSuccess()
        #expect(outcome.errors.contains("the search is complete"))
      }
      try main.finish().expectSuccess()
      for file in ["front.csv"] {
        #expect(try workspace.data("alone/" + file) == workspace.data(Self.study + "/" + file))
      }
      #expect(try owners(workspace).count >= 2)
      // Here is nothing left to do, and that is no error.
      try workspace.run(worker).expectSuccess()
      // Nor does it matter later how the study came about.
      try workspace.run(search()).expectSuccess()
    }

    /// A search goes on with workers that began without, and the other way round.
    @Test func startedAlone() throws {
      let workspace = try Workspace("llama3-gqa")
      func search(_ budget: Int, _ study: String, _ more: String...) -> [String] {
        Workspace.search("--calibration", "text/lighthouse.txt", "--population", "8", budget: "\(budget)", study: study)
          + more
      }
      try workspace.run(search(30, "alone")).expectSuccess()
      try workspace.run(search(11, Self.study)).expectSuccess()
      try workspace.run(search(23, Self.study, "--shared", "--portion", "3")).expectSuccess()
      try workspace.run(search(30, Self.study)).expectSuccess()
      #expect(try workspace.data("alone/front.csv") == workspace.data(Self.study + "/front.csv"))
    }

    @Test func badRequests() throws {
      let workspace = try Workspace("llama3-gqa", "mistral-gqa")
      try workspace.expectFailure(["worker", "results/none"], "no study here")
      try workspace.expectFailure(search("--shared", "--portion", "0"), "--portion", code: 64)
      try workspace.expectFailure(["worker", "x", "--lease", "0.1"], "--lease", code: 64)
      try workspace.run(search()).expectSuccess()
      try workspace.expectFailure(["worker", Self.study, "--model", "mistral-gqa"], "fingerprint")
      try workspace.expectFailure(
        ["worker", "postgresql://nobody@localhost:1/none#study"], "postgresql://nobody@localhost:1/none")
      try workspace.expectFailure(search(study: "postgresql://nobody@localhost:1/none"), "needs a name")
      let rungs = Workspace.search("--calibration", "text/lighthouse.txt", "--rungs", "2", study: "rungs")
      try workspace.run(rungs).expectSuccess()
      try workspace.expectFailure(["worker", "rungs"], "without --rungs")
    }
  }
}
