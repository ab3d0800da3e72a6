import Foundation
import Testing

extension EndToEnd {
  /// Commands that are told to end while they write.
  @Suite(.serialized) struct InterruptTests {
    /// A model whose writing takes a while.
    private func workspace() throws -> Workspace {
      let workspace = try Workspace()
      try workspace.run(
        "synthesize", "--shape", "smollm2-135m", "--layers", "4", "--vocabulary", "20000", "--output", "model"
      ).expectSuccess()
      return workspace
    }

    private func temporaries(_ workspace: Workspace) -> [String] {
      let all = (try? FileManager.default.subpathsOfDirectory(atPath: workspace.folder.path)) ?? []
      return all.filter { $0.hasSuffix(".tmp") || $0.contains(".tmp/") }
    }

    /// Sends a signal while the output lies half-written beside its place.
    private func interrupt(_ command: [String], by signal: Int32, in workspace: Workspace) throws {
      let before = try workspace.snapshot()
      let tool = try RunningTool(command, in: workspace)
      tool.wait { tool.errors.contains("writing …") && temporaries(workspace).contains { $0.contains("model.s") } }
      #expect(tool.isRunning)
      tool.send(signal)
      let outcome = try tool.finish()
      #expect(outcome.code == 128 + signal && outcome.output.isEmpty, "\(outcome)")
      #expect(!outcome.errors.contains("Error"), "\(outcome)")
      #expect(try workspace.snapshot() == before, "\(temporaries(workspace))")
    }

    @Test(arguments: [SIGINT, SIGTERM]) func convertLeavesNothing(signal: Int32) throws {
      let workspace = try workspace()
      let convert = ["convert", "--model", "model", "--dtype", "f32", "--format", "hf", "--output"]
      try interrupt(convert + ["new/folder/out"], by: signal, in: workspace)
      // An earlier export stays as it was.
      try workspace.run("convert", "--model", "model", "--dtype", "f16", "--output", "out").expectSuccess()
      try interrupt(convert + ["out", "--replace"], by: signal, in: workspace)
      try workspace.run(convert + ["out", "--replace"]).expectSuccess()
    }

    @Test func pruneLeavesNothing() throws {
      let workspace = try workspace()
      let prune = [
        "prune", "--model", "model", "--method", "magnitude", "--keep", "0.9", "--calibration", "text/lighthouse.txt",
        "--calibration-windows", "2", "--calibration-length", "16", "--fitness-windows", "1", "--fitness-length", "8",
        "--dtype", "f32", "--output", "out",
      ]
      try interrupt(prune, by: SIGINT, in: workspace)
    }

    @Test func exportLeavesNothing() throws {
      let workspace = try workspace()
      try workspace.run(
        "--model", "model", "--budget", "2", "--study", "study", "--calibration", "text/lighthouse.txt",
        "--calibration-windows", "2", "--calibration-length", "16", "--fitness-windows", "1", "--fitness-length", "8",
        "--curve-metric", "output", "--scores", "wanda-sp", "--damping", "0.1"
      ).expectSuccess()
      let export = ["export", "study", "--repair", "none", "--dtype", "f32", "--format", "hf", "--output", "out"]
      try interrupt(export, by: SIGTERM, in: workspace)
    }
  }
}
