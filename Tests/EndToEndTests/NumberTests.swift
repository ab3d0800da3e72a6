import Foundation
import Testing

extension EndToEnd {
  /// Numbers near the ends of their types: a right answer or an error of one line, and no process that dies.
  @Suite(.serialized) struct Numbers {
    private static let large = [
      "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615", "1e300", "1e-320",
      "inf", "nan", "9e18", "4611686018427387904",
    ]

    private func expectAnswer(_ command: [String], in workspace: Workspace) throws {
      let result = try workspace.run(command)
      #expect([0, 1, 64].contains(result.code), "\(result)")
      #expect(result.code == 0 || result.errors.components(separatedBy: "Error:").count == 2, "\(result)")
    }

    @Test(arguments: large)
    func ofEvaluateAndGenerate(_ number: String) throws {
      let workspace = try Workspace("llama3-gqa")
      let evaluate = ["evaluate", "--model", "model", "--text", "text/lighthouse.txt"]
      try expectAnswer(evaluate + ["--window-length=\(number)"], in: workspace)
      for option in ["windows", "memory-limit"] {
        try expectAnswer(evaluate + ["--window-length", "16", "--\(option)=\(number)"], in: workspace)
      }
      for option in ["tokens", "seed", "temperature", "top-p"] {
        try expectAnswer(
          ["generate", "--model", "model", "--prompt", "a", "--\(option)=\(number)"], in: workspace)
      }
    }

    @Test(arguments: ["9223372036854775807", "-9223372036854775808", "18446744073709551615", "1e300", "1e-320"])
    func ofASearch(_ number: String) throws {
      let workspace = try Workspace("llama3-gqa")
      for option in [
        "params", "size", "seed", "population", "portion", "lease", "calibration-windows", "calibration-length",
        "fitness-windows", "fitness-length", "gradient-windows", "calibration-subsets", "min-tokens", "damping",
        "rungs",
        "memory-limit",
      ] {
        try expectAnswer(
          Workspace.search("--\(option)=\(number)", budget: "1", study: "study-\(option)"), in: workspace)
      }
    }

    /// A hundred years are enough for a search.
    @Test(arguments: ["1e300h", "1e18h", "9223372036854775807s", "3,1e12s"])
    func budgetsBeyondLife(_ budget: String) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(Workspace.search(budget: budget), "--budget", code: 64)
      try workspace.run(Workspace.search(budget: "2,800000h")).expectSuccess()
    }

    @Test(arguments: [
      ("--layers", "1000000000000000000", "for layers"), ("--heads", "4611686018427387904", "for query heads"),
      ("--channels", "9223372036854775807", "for MLP channels"),
      ("--vocabulary", "9223372036854775807", "for the vocabulary"),
      ("--kv-heads", "9223372036854775807", "cannot be shared"), ("--layers", "0", "positive"),
    ])
    func shapesThatNobodyHas(_ option: String, _ number: String, words: String) throws {
      let workspace = try Workspace()
      try workspace.expectFailure(
        ["synthesize", "--shape", "llama-7b", "--output", "out", option, number], "no such model", words)
    }
  }
}
