import Foundation
import Testing

extension EndToEnd {
  /// Texts are known by their content: by every command, and with the same figures as the plain file.
  @Suite(.serialized) struct InputContents {
    /// What `make_texts.py` wrote.
    private static let fixtures = Workspace.fixtures.deletingLastPathComponent()
      .appendingPathComponent("CalibrationTests/Fixtures")

    private func workspace(_ names: String...) throws -> Workspace {
      let workspace = try Workspace("llama3-gqa")
      for name in names { try workspace.copy(Self.fixtures.appendingPathComponent(name), to: name) }
      return workspace
    }

    private func perplexities(_ workspace: Workspace, _ files: [String]) throws -> [Double] {
      let command = ["evaluate", "--model", "model", "--window-length", "16", "--json", "--text"] + files
      let measurements = try workspace.run(command).expectSuccess().json()["measurements"] as? [[String: Any]]
      return (measurements ?? []).compactMap { $0["perplexity"] as? Double }
    }

    @Test func evaluateReadsThePlainTextFromAll() throws {
      let files = ["plain.txt", "members.txt.gz", "frames.txt.zst", "utf16le.txt", "utf32be.txt", "mark.txt"]
      let workspace = try workspace(
        "plain.txt", "members.txt.gz", "frames.txt.zst", "utf16le.txt", "utf32be.txt", "mark.txt")
      let values = try perplexities(workspace, files)
      #expect(values.count == files.count && Set(values).count == 1, "\(values)")
    }

    @Test func evaluateReadsTheRecordsFromAll() throws {
      let workspace = try workspace("lines.jsonl", "lines.jsonl.gz", "lines.zst", "utf16le.jsonl")
      let lines = try workspace.text("lines.jsonl")
      for name in ["lines", "lines.JSONL", "lines.txt", "lines.json"] { try workspace.write(lines, to: name) }
      let rows = lines.split(separator: "\n").joined(separator: ",\n")
      try workspace.write("[\(rows)]\n", to: "list.json")
      let nested = lines.replacingOccurrences(of: "\"text\": ", with: "\"text\": \"no\", \"a.b\": [[], ")
        .replacingOccurrences(of: "}\n", with: "]}\n")
      try workspace.write(nested, to: "nested.jsonl")
      let files = [
        "lines.jsonl", "lines.jsonl.gz", "lines.zst", "utf16le.jsonl", "lines", "lines.JSONL", "lines.txt",
        "lines.json",
        "list.json",
      ]
      let values = try perplexities(workspace, files) + perplexities(workspace, ["nested.jsonl", "--field", "a.b.1"])
      #expect(values.count == files.count + 1 && Set(values).count == 1, "\(values)")
    }

    /// Records without a letter are no text, and what a text is short of is said.
    @Test func emptyAndShortTexts() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write(String(repeating: "{\"text\": \"\"}\n", count: 3000), to: "empty.jsonl")
      try workspace.expectFailure(Workspace.search("--calibration", "empty.jsonl"), "empty.jsonl", "empty")
      let prune = [
        "prune", "--model", "model", "--method", "magnitude", "--keep", "0.9", "--output", "out", "--calibration",
        "text/lighthouse.txt", "--calibration-windows", "4000", "--calibration-length", "64", "--fitness-windows", "2",
        "--fitness-length", "64",
      ]
      let result = try workspace.run(prune).expectSuccess()
      #expect(result.errors.contains("calibration windows of 64 tokens, not 4000"))
      // A text inside what would be replaced is not replaced.
      try workspace.copy(workspace.url("text/lighthouse.txt"), to: "copy.txt")
      try workspace.remove("out/README.md")
      try workspace.copy(workspace.url("copy.txt"), to: "out/README.md")
      var again = prune
      again[again.firstIndex(of: "text/lighthouse.txt") ?? 0] = "out/README.md"
      try workspace.expectFailure(again + ["--replace"], "out")
    }

    /// A search calibrates on the same windows, knows the packed file again, and resumes.
    @Test func searchReadsPackedRecords() throws {
      let workspace = try workspace("lines.jsonl", "lines.jsonl.gz")
      func search(_ file: String, _ study: String) -> [String] {
        [
          "--model", "model", "--budget", "2", "--study", study, "--calibration", file, "--calibration-windows", "4",
          "--calibration-length", "16", "--fitness-windows", "2", "--fitness-length", "16", "--duplicates", "exact",
        ]
      }
      func set(_ study: String) throws -> [String: Any] {
        let file = try JSONSerialization.jsonObject(with: workspace.data("\(study)/calibration.json")) as? [String: Any]
        return try #require((file?["sets"] as? [[String: Any]])?.first)
      }
      try workspace.run(search("lines.jsonl", "plain")).expectSuccess()
      try workspace.run(search("lines.jsonl.gz", "packed")).expectSuccess()
      let (plain, packed) = (try set("plain"), try set("packed"))
      #expect(packed["name"] as? String == "lines" && plain["name"] as? String == "lines")
      let tokens = try #require(plain["calibration_tokens"] as? [Int])
      #expect(packed["calibration_tokens"] as? [Int] == tokens)
      #expect((packed["filtered"] as? [String: Any])?["documents"] as? Int == 6)
      #expect(packed["sha256"] as? String != plain["sha256"] as? String)
      #expect(try workspace.run(search("lines.jsonl.gz", "packed")).expectSuccess().errors.contains("resuming: 2"))
      try workspace.expectFailure(search("lines.jsonl", "packed"), "calibration was lines.jsonl.gz")
      // Two files of one name would be one choice.
      try workspace.expectFailure(
        search("lines.jsonl", "both") + ["--calibration", "lines.jsonl.gz"], "two calibration sets", "'lines'")
      let export = ["export", "packed", "--format", "hf", "--output", "out"]
      try workspace.run(export).expectSuccess()
      let known = try workspace.run("evaluate", "--model", "out", "--text", "lines.jsonl.gz", "--window-length", "16")
      #expect(known.expectSuccess().errors.contains("calibrated on"))
    }

    @Test(arguments: ["rows.parquet", "rows.txt.bz2", "cut.txt.gz", "rows.tar.gz", "utf16-without-mark.txt"])
    func everyCommandRefuses(_ name: String) throws {
      let workspace = try workspace(name)
      let plan = ["--calibration", name, "--calibration-windows", "4", "--calibration-length", "16"]
      for command in [
        ["evaluate", "--model", "model", "--window-length", "16", "--text", name],
        Workspace.search("--calibration", name),
        ["solve", "--model", "model", "--keep", "0.8"] + plan,
        ["prune", "--model", "model", "--method", "flap", "--keep", "0.8", "--output", "out"] + plan,
        [
          "compare", "--model", "model", "--methods", "flap", "--calibration", "text/lighthouse.txt", "--output", "out",
          "--window-length", "16", "--text", name,
        ],
      ] {
        try workspace.expectFailure(command, name)
      }
    }

    /// To the system a URL is a path of this machine.
    @Test(arguments: [
      "https://host/a.txt", "s3://bucket/a", "hf://team/model", "file:///tmp/a", "postgresql://me:rosebud7@h/d",
    ])
    func addressesAreNoPaths(_ address: String) throws {
      let workspace = try Workspace("llama3-gqa")
      for command in [
        ["evaluate", "--model", "model", "--window-length", "16", "--text", address],
        ["evaluate", "--model", address, "--text", "text/lighthouse.txt"], Workspace.search("--calibration", address),
        Workspace.search(model: address), Workspace.search("--space", address), Workspace.search("--cache", address),
        ["synthesize", "--shape", "llama-7b", "--layers", "1", "--output", address],
        ["generate", "--model", address, "--prompt", "a"], ["describe", address, "--model", "model"],
      ] {
        try workspace.expectFailure(
          command, address.hasPrefix("file") ? "without 'file://'" : "only local files", code: 64)
        if address.contains("rosebud7") { #expect(try !workspace.run(command).errors.contains("rosebud7")) }
      }
    }
  }
}
