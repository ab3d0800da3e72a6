import Foundation
import Testing

extension EndToEnd {
  /// What is calibrated on: filters and subsets, recorded and resumed.
  @Suite(.serialized) struct CalibrationCommands {
    private struct Stored: Decodable {
      struct Item: Decodable {
        struct Filtered: Decodable {
          var documents: Int
          var short: Int
          var exactDuplicates: Int
          var nearDuplicates: Int
          var windows: Int
          var windowsOutsideBand: Int
        }
        var name: String
        var calibrationTokens: [Int32]
        var calibrationLength: Int
        var fitnessTokens: [Int32]
        var fitnessLength: Int
        var subset: Int?
        var filtered: Filtered?
      }
      var sets: [Item]
    }

    private func stored(_ workspace: Workspace) throws -> [Stored.Item] {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(Stored.self, from: workspace.data("results/study/calibration.json")).sets
    }

    private func windows(_ tokens: [Int32], _ length: Int) -> [[Int32]] {
      stride(from: 0, to: tokens.count, by: length).map { Array(tokens[$0..<$0 + length]) }
    }

    /// Fewer tokens than a projection has inputs: said so, and held back by the damping that unseen tokens choose.
    @Test func fewTokensAreSaid() throws {
      let workspace = try Workspace("llama3-gqa")
      let few = [
        "--calibration", "text/lighthouse.txt", "--calibration-windows", "3", "--calibration-length", "16",
        "--fitness-windows", "4", "--fitness-length", "32",
      ]
      let search = ["--model", "model", "--budget", "4", "--study", "results/few"] + few
      let result = try workspace.run(search).expectSuccess()
      #expect(result.errors.contains("warning: 48 calibration tokens of 'lighthouse' are few for least squares"))
      #expect(result.errors.contains("chosen by held-out error"))
      let solve = try workspace.run(["solve", "--model", "model", "--keep", "0.8", "--json"] + few).expectSuccess()
      #expect(solve.errors.contains("warning: 48 calibration tokens"))
      let damping = try #require(try solve.json()["damping"] as? Double)
      #expect(result.errors.contains("damping \(damping) of the mean diagonal"))
      // What is given is taken, and a resumed study keeps what was chosen.
      let given = ["solve", "--model", "model", "--keep", "0.8", "--json", "--damping", "0.5"] + few
      #expect(try workspace.run(given).expectSuccess().json()["damping"] as? Double == 0.5)
      let study = ["solve", "--study", "results/few", "--keep", "0.8", "--json"]
      #expect(try workspace.run(study).expectSuccess().json()["damping"] as? Double == damping)
      let ended = try workspace.run(search).expectSuccess()
      #expect(ended.errors.contains("resuming: 4 evaluations"))
      try workspace.expectFailure(search + ["--damping", "0.5"], "damping was not given, now 0.5")
    }

    @Test func filtersLeaveOutAndSaySo() throws {
      let workspace = try Workspace("llama3-gqa")
      let text = try workspace.text("text/lighthouse.txt")
      let long = text.split(separator: "\n").joined(separator: " ")
      let lines = [long, "too short", long, long + " The end of it.", text.uppercased()]
      let json = try lines.map { String(decoding: try JSONEncoder().encode(["text": $0]), as: UTF8.self) }
      try workspace.write(json.joined(separator: "\n"), to: "mixed.jsonl")
      let search = Workspace.search(
        "--calibration", "mixed.jsonl", "--min-tokens", "20", "--duplicates", "near", "--loss-band", "0.1,0.9",
        budget: "3")
      try workspace.run(search).expectSuccess()
      let set = try #require(try stored(workspace).first)
      let filtered = try #require(set.filtered)
      #expect(filtered.documents == 5 && filtered.short == 1)
      #expect(filtered.exactDuplicates == 2 && filtered.nearDuplicates == 1)
      #expect(filtered.windows > 0 && filtered.windowsOutsideBand > 0)
      // The report says it, and the command that resumes carries the options.
      let report = try workspace.run("report", "results/study", "--json").expectSuccess().json()
      let study = try #require(report["study"] as? [String: Any])
      #expect((study["calibration"] as? String)?.contains("4 of 5 documents dropped") == true)
      #expect((study["command"] as? String)?.contains("--min-tokens 20 --duplicates near --loss-band 0.1,0.9") == true)
      let resumed = try workspace.run(search).expectSuccess()
      #expect(resumed.errors.contains("resuming: 3 evaluations"))
      // Other filters are another study.
      try workspace.expectFailure(
        Workspace.search("--calibration", "mixed.jsonl", "--min-tokens", "21", budget: "3"), "min tokens was 20, now 21"
      )
    }

    @Test func subsetsAreDisjointAndChoices() throws {
      let workspace = try Workspace("llama3-gqa")
      var search = Workspace.search(
        "--calibration", "text/lighthouse.txt", "--calibration-subsets", "3", budget: "12")
      search[search.firstIndex(of: "8") ?? 0] = "4"
      let result = try workspace.run(search).expectSuccess()
      let sets = try stored(workspace)
      #expect(sets.map(\.name) == ["lighthouse#1", "lighthouse#2", "lighthouse#3"] && sets.map(\.subset) == [1, 2, 3])
      let all = sets.flatMap { windows($0.calibrationTokens, $0.calibrationLength) }
      #expect(all.count == 12 && Set(all).count == 12)
      #expect(Set(sets.map(\.fitnessTokens)).count == 1)
      #expect(result.output.contains("12 of 12 evaluations"))
      for number in 1...3 { #expect(result.errors.contains("statistics of 'lighthouse#\(number)'")) }
      try workspace.run("export", "results/study", "--format", "gguf", "--output", "out.gguf").expectSuccess()
      #expect(try workspace.run(search).expectSuccess().errors.contains("resuming: 12 evaluations"))
    }

    @Test func requestsThatCannotBe() throws {
      let workspace = try Workspace("llama3-gqa")
      func fail(_ more: String..., words: String..., code: Int32 = 1) throws {
        let before = try workspace.snapshot()
        try workspace.run(Workspace.search("--calibration", "text/lighthouse.txt") + more).expectFailure(
          words, code: code)
        #expect(try workspace.snapshot() == before)
      }
      try fail("--min-tokens", "1000000", words: "lighthouse.txt", "the filters dropped", "too short")
      try fail("--calibration-subsets", "900", words: "lighthouse.txt", "too few for 900 subsets of 8")
      try fail("--loss-band", "0.9,0.1", words: "--loss-band", code: 64)
      try fail("--duplicates", "some", words: "--duplicates", code: 64)
      try fail("--calibration-subsets", "0", words: "--calibration-subsets", code: 64)
      try fail("--min-tokens=-1", words: "--min-tokens", code: 64)
    }
  }
}
