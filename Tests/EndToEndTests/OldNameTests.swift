import Testing

@testable import nas_search

extension EndToEnd {
  /// Whatever was called otherwise in earlier versions is refused with its new name.
  @Suite(.serialized) struct OldNameTests {
    /// A command line of each command that is right but for what is added to it.
    private static let commands = [
      "search": ["search", "--model", "model", "--budget", "1"], "worker": ["worker"], "export": ["export", "study"],
      "solve": ["solve", "--model", "model", "--keep", "0.8"],
      "prune": ["prune", "--model", "model", "--method", "ours-fast", "--keep", "0.8", "--output", "out"],
      "compare": ["compare", "--model", "model", "--methods", "ours-fast", "--text", "text/lighthouse.txt"],
      "repair": ["repair", "--dense", "model", "--output", "out"],
      "evaluate": ["evaluate", "--model", "model", "--text", "text/lighthouse.txt"],
    ]

    @Test(arguments: OldNames.all)
    func namesTheNewOne(row: OldNames.Row) throws {
      let workspace = try Workspace("llama3-gqa")
      let command = try #require(Self.commands[row.command])
      let setting = row.old + (row.old.hasSuffix("=") ? "loss" : "")
      let spellings: [[String]] =
        if row.old.contains(" ") {
          [row.old.split(separator: " ").map(String.init), [row.old.replacing(" ", with: "=")]]
        } else if row.old.hasPrefix("--") {
          [[row.old, "4"], [row.old + "=4"]]
        } else if row.command == "prune" {
          [["--set", setting]]
        } else {
          [["--set", "ours-fast.\(setting)"], ["--methods", "ours-fast:\(setting)"]]
        }
      for spelling in spellings {
        try workspace.expectFailure(command + spelling, row.old, row.new, code: 64)
      }
    }

    /// A name that is new here, or a value that looks like an old name, is no reason to complain.
    @Test func newNamesAreLeftAlone() throws {
      #expect(OldNames.remark(on: ["evaluate", "--windows", "4"]) == nil)
      #expect(OldNames.remark(on: ["solve", "--study", "x", "--keep"]) == nil)
      #expect(OldNames.remark(on: ["--memory", "1GB", "--repair", "nested"]) == nil)
      #expect(OldNames.remark(on: ["prune", "--set", "curve-metric=loss"]) == nil)
      #expect(OldNames.remark(on: ["--curves=loss"]) == "--curves is now --curve-metric")
    }

    /// A `B` counts bytes where bytes are counted, and billions of parameters elsewhere.
    @Test func amounts() throws {
      #expect(try ByteCount.read("500B").value == 500 && ByteCount.read("1.5KiB").value == 1536)
      #expect(try ByteCount.read("200MB").value == 200_000_000 && ByteCount.read("7").value == 7)
      #expect(try ParameterCount.read("1.5B").value == 1_500_000_000)
      #expect(try ParameterCount.read("110M").value == 110_000_000)
      for text in ["4GiB", "500MB", "0x10", "M", "", "0"] {
        #expect(throws: (any Error).self, "\(text)") { try ParameterCount.read(text) }
      }
      for text in ["1M", "0x1B", "B", "0B", "-1B"] {
        #expect(throws: (any Error).self, "\(text)") { try ByteCount.read(text) }
      }
      #expect(try ListArgument("1KB,2", ByteCount.read).values.map(\.value) == [1000, 2])
      #expect(throws: (any Error).self) { try ListArgument("1KB,", ByteCount.read) }
    }

    /// Who takes another unit is told which there are.
    @Test(arguments: ["prune", "solve"]) func unitsAreNamed(_ command: String) throws {
      let workspace = try Workspace()
      var words = [command, "--model", "model"]
      if command == "prune" { words += ["--method", "flap", "--output", "out"] }
      try workspace.expectFailure(words + ["--size", "40kB"], "40kB", "GiB, MiB, KiB, GB, MB, KB, B", code: 64)
      try workspace.expectFailure(words + ["--params", "3G"], "3G", "B, M, K", code: 64)
    }
  }
}
