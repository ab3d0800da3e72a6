import Foundation
import Studies
import Testing

extension EndToEnd {
  /// Standard output that is full, closed or not read to its end.
  @Suite(.serialized) struct Outputs {
    private static let full = #"exec "$0" "$@" > /dev/full"#
    private static let words = "cannot write standard output: No space left on device"
    private static let evaluate = [
      "evaluate", "--model", "model", "--text", "text/lighthouse.txt", "--window-length", "32", "--windows", "2",
    ]

    @Test(
      .enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "this system has no /dev/full"),
      arguments: [
        ["spaces"], ["scores"], ["methods"], ["--help"], ["search", "--help"], ["--version"],
        ["describe", "widths", "--model", "model"], evaluate, evaluate + ["--json"],
        ["generate", "--model", "model", "--prompt", "The", "--tokens", "4"],
      ])
    func fullOutput(_ command: [String]) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(command).expectSuccess()
      try workspace.run(command, through: Self.full).expectFailure(Self.words)
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "this system has no /dev/full"))
    func resultsOutliveAFullOutput() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search("--keep", "0.8", budget: "6"), through: Self.full)
        .expectFailure(Self.words, "the study is complete in results/study")
      #expect(workspace.exists("results/study/report.html"))
      for more in [[], ["--json"], ["--html"], ["--fidelity"]] {
        try workspace.run(["report", "results/study"] + more, through: Self.full).expectFailure(Self.words)
      }
      let text = ["--calibration-windows", "4", "--calibration-length", "32", "--fitness-windows", "2"]
      let windows = text + ["--fitness-length", "32", "--output", "out"]
      for (name, command) in [
        ("export", ["export", "results/study", "--format", "hf", "--output", "out"]),
        ("prune", ["prune", "--model", "model", "--method", "wanda-sp", "--keep", "0.8"] + windows),
        ("solve", ["solve", "--model", "model", "--keep", "0.8"] + windows),
        (
          "synthesize",
          ["synthesize", "--shape", "smollm2-135m", "--layers", "1", "--channels", "8", "--output", "out"]
        ),
      ] {
        try workspace.run(command, through: Self.full).expectFailure(Self.words, "in out")
        #expect(workspace.exists("out/config.json"), "\(name)")
        try workspace.remove("out")
      }
    }

    @Test func closedOutput() throws {
      let workspace = try Workspace("llama3-gqa")
      for command in [["spaces"], ["--help"], Self.evaluate] {
        try workspace.run(command, through: #"exec "$0" "$@" >&-"#).expectFailure(
          "cannot write standard output: it is closed")
      }
      // The first file that is opened must not get the number of the closed output.
      try workspace.run(Workspace.search(budget: "6"), through: #"exec "$0" "$@" >&-"#)
        .expectFailure("it is closed", "the study is complete in results/study")
      let study = try Study.open(.folder(workspace.url("results/study")), access: .inspect)
      #expect(try study.trials().count == 6)
    }

    @Test func closedInputAndErrors() throws {
      let workspace = try Workspace("llama3-gqa")
      let expected = try workspace.run("spaces").expectSuccess().output
      for script in [#"exec "$0" "$@" <&-"#, #"exec "$0" "$@" 2>&-"#, #"exec "$0" "$@" <&- 2>&-"#] {
        #expect(try workspace.run(["spaces"], through: script).expectSuccess().output == expected)
      }
      let search = Workspace.search(budget: "6")
      try workspace.run(search, through: #"exec "$0" "$@" <&- 2>&-"#).expectSuccess()
      #expect(try workspace.run(["report", "nowhere"], through: #"exec "$0" "$@" 2>&-"#).code == 1)
      if FileManager.default.fileExists(atPath: "/dev/full") {
        try workspace.run(search, through: #"exec "$0" "$@" 2> /dev/full"#).expectSuccess()
      }
    }

    /// Quiet, with the code of a program that SIGPIPE ended.
    @Test func readersThatGoAway() throws {
      let workspace = try Workspace("llama3-gqa")
      let script = #""$0" "$@" | true; exit ${PIPESTATUS[0]}"#
      for command in [["methods"], Self.evaluate, ["--help"]] {
        // The reader may be slow to go.
        let outcomes = try (0..<5).map { _ in
          try workspace.run(command, through: #"( sleep 0.2; "# + #"exec "$0" "$@" ) | true; exit ${PIPESTATUS[0]}"#)
        }
        #expect(outcomes.allSatisfy { $0.code == 141 && !$0.errors.contains("Error") }, "\(outcomes)")
      }
      // A search is not ended by one who no longer listens to its progress.
      let search = Workspace.search(budget: "6")
      let outcome = try workspace.run(search, through: #"{ "$0" "$@" 2>&1 >&3 | true; exit ${PIPESTATUS[0]}; } 3>&1"#)
      #expect(outcome.code == 0 && outcome.output.contains("KL"), "\(outcome)")
      #expect(try workspace.run(["report", "results/study"], through: script).code.magnitude <= 141)
    }

    /// Past a limit of the system writing fails, and is not the end of the process.
    @Test func limitsOfFileSizes() throws {
      let workspace = try Workspace("llama3-gqa")
      let outcome = try workspace.run(
        ["synthesize", "--shape", "smollm2-135m", "--layers", "1", "--channels", "8", "--output", "out"],
        through: #"ulimit -f 2000; exec "$0" "$@""#)
      outcome.expectFailure("cannot write", "out/model.safetensors", "File too large")
      let left = try workspace.snapshot().keys.filter { !$0.hasPrefix("model") && !$0.hasPrefix("llama3") }
      #expect(left.allSatisfy { $0.hasPrefix("text") }, "\(left)")
    }
  }
}
