import Foundation
import Testing

extension EndToEnd {
  /// Places and limits that cannot be met: said before text is sampled and statistics are gathered.
  @Suite(.serialized) struct Destinations {
    private static let text = [
      "--calibration-windows", "4", "--calibration-length", "32", "--fitness-windows", "2", "--fitness-length", "32",
    ]

    /// Commands that write a checkpoint, but for `--output` and what is behind it.
    private static let commands: [String: [String]] = [
      "prune": ["prune", "--model", "model", "--method", "wanda-sp", "--keep", "0.8"] + text,
      "solve": ["solve", "--model", "model", "--keep", "0.8"] + text,
      "repair": ["repair", "--dense", "model", "--model", "thin"] + text,
      "export": ["export", "study"],
    ]

    private func workspace() throws -> Workspace {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search("--keep", "0.8", budget: "4", study: "study")).expectSuccess()
      try workspace.run(
        ["prune", "--model", "model", "--method", "wanda-sp", "--keep", "0.7", "--output", "thin"] + Self.text
      ).expectSuccess()
      return workspace
    }

    @Test(arguments: ["prune", "solve", "repair", "export"])
    func outputsThatCannotBe(_ name: String) throws {
      let workspace = try workspace()
      let command = try #require(Self.commands[name])
      try workspace.write("x", to: "file")
      try #require(mkfifo(workspace.url("queue").path, 0o600) == 0)
      try FileManager.default.createSymbolicLink(
        atPath: workspace.url("dangling").path, withDestinationPath: "nothing")
      try FileManager.default.createSymbolicLink(atPath: workspace.url("alias").path, withDestinationPath: "model")
      // An empty cache: whatever is gathered shows in it.
      let cache = workspace.folder.deletingLastPathComponent().appendingPathComponent("empty")
      workspace.extraEnvironment["NAS_SEARCH_CACHE"] = cache.path
      let long = String(repeating: "n", count: 256)
      let cases: [(format: String, output: String, words: String)] = [
        ("hf", "file/out", "Not a directory"), ("gguf", "file/out.gguf", "Not a directory"),
        ("gguf", "queue", "it is a fifo (named pipe), not a regular file"), ("hf", "queue", "not a folder"),
        ("gguf", "/dev/null", "it is a device"), ("gguf", "/dev/full", "it is a device"),
        ("hf", "dangling", "it is a link to nothing"), ("gguf", "dangling", "it is a link to nothing"),
        ("hf", long, "File name too long"), ("gguf", long, "File name too long"),
        ("hf", "model", "is never replaced"), ("hf", "alias", "is never replaced"),
        ("hf", "./text/../model/", "is never replaced"), ("gguf", "model/out.gguf", "lies inside the input"),
        ("gguf", "text", "it is a folder"), ("hf", "file", "not a folder"),
        ("gguf", "file", "no GGUF file of nas-search"),
        ("gguf", "out/", "names a folder"), ("hf", "out.gguf", "names a GGUF file"),
        ("hf", "text", "other things than a checkpoint"), ("hf", "study", "other things than a checkpoint"),
      ]
      for (format, output, words) in cases where name != "repair" || !output.contains("model") {
        try workspace.expectFailure(command + ["--format", format, "--output", output, "--replace"], words)
        #expect(!FileManager.default.fileExists(atPath: cache.path), "\(format) \(output)")
      }
      if name == "repair" {
        for input in ["model", "thin", "./thin/"] {
          try workspace.expectFailure(command + ["--output", input, "--replace"], "is never replaced")
        }
      }
    }

    @Test func outputsThatMeet() throws {
      let workspace = try workspace()
      let export = ["export", "study", "--format", "hf", "--output", "out", "--format", "gguf", "--output"]
      try workspace.expectFailure(export + ["out/x.gguf"], "lies inside the other output")
      try FileManager.default.createSymbolicLink(atPath: workspace.url("here").path, withDestinationPath: ".")
      try workspace.expectFailure(export + ["here/out"], "same place as the other output")
      try workspace.write("x", to: "keep")
      try workspace.expectFailure(
        ["solve", "--model", "model", "--keep", "0.9,0.8", "--output", "keep"] + Self.text, "keep/keep-0.9",
        "Not a directory")
    }

    @Test func pointsAndParentsThatAreNotThere() throws {
      let workspace = try workspace()
      let cache = workspace.folder.deletingLastPathComponent().appendingPathComponent("empty")
      workspace.extraEnvironment["NAS_SEARCH_CACHE"] = cache.path
      let export = ["export", "study", "--format", "hf", "--output", "out"]
      try workspace.expectFailure(export + ["--point", "99"], "'99'")
      try FileManager.default.moveItem(at: workspace.url("model"), to: workspace.url("moved"))
      try workspace.expectFailure(export, "model", "no such file", "--model says where it is now")
      #expect(!FileManager.default.fileExists(atPath: cache.path))
      try workspace.run(export + ["--model", "moved"]).expectSuccess()
    }

    @Test func whatIsReplaced() throws {
      let workspace = try workspace()
      let export = ["export", "study", "--replace", "--format", "hf", "--output"]
      try workspace.run(export + ["out"]).expectSuccess()
      try workspace.run(export + ["out"]).expectSuccess()
      try workspace.write("mine", to: "out/notes.txt")
      try workspace.expectFailure(export + ["out"], "it also holds what nas-search did not write: 'notes.txt'")
      try workspace.remove("out/notes.txt")
      try FileManager.default.createSymbolicLink(atPath: workspace.url("door").path, withDestinationPath: "out")
      try workspace.run(export + ["door", "--dtype", "f32"]).expectSuccess()
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: workspace.url("door").path) == "out")
      #expect(try workspace.text("out/config.json").contains("\"float32\""))
      try workspace.copy(Workspace.fixtures.appendingPathComponent("models/qwen2-bias"), to: "other")
      try workspace.expectFailure(export + ["other"], "a checkpoint that nas-search did not write")
    }

    // MARK: Folders of results

    @Test func comparisonsKeepToThemselves() throws {
      let workspace = try Workspace("llama3-gqa")
      let compare =
        [
          "compare", "--model", "model", "--methods", "wanda-sp", "--keep", "0.8", "--text", "text/notes.jsonl",
          "--window-length", "32", "--windows", "2",
        ] + Self.text
      try workspace.write("x", to: "file")
      for (output, words) in [
        ("text", "other things than a comparison"), ("model", "it is the input"), ("file", "Not a directory"),
        ("file/out", "Not a directory"), (String(repeating: "n", count: 256), "File name too long"),
      ] {
        try workspace.expectFailure(compare + ["--output", output], words)
      }
      #expect(workspace.cache.isEmpty)
      // One that was killed before its state was written goes on.
      try FileManager.default.createDirectory(at: workspace.url("out"), withIntermediateDirectories: true)
      try workspace.write("{}", to: "out/calibration.json")
      try workspace.run(compare + ["--output", "out"]).expectSuccess()
      #expect(workspace.exists("out/comparison.html"))
    }

    @Test func studiesKeepToThemselves() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(Workspace.search(study: "model"), "it is the input")
      try FileManager.default.createDirectory(at: workspace.url("mine"), withIntermediateDirectories: true)
      for (name, words) in [
        ("calibration.json", "there is a file of this name, but no study"),
        ("configuration.json", "there is a file of this name, but no study"),
        ("report.html", "there is a file of this name that is no report"),
      ] {
        try workspace.write("{}", to: "mine/\(name)")
        try workspace.expectFailure(Workspace.search(study: "mine"), "mine/\(name)", words)
        try workspace.remove("mine/\(name)")
      }
      try workspace.write("", to: "runs")
      try workspace.expectFailure(Array(Workspace.search().prefix(4)) + Workspace.search().dropFirst(6), "runs")
      #expect(workspace.cache.isEmpty)
    }

    @Test func reportsKeepToThemselves() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search(budget: "4", study: "study")).expectSuccess()
      let report = ["report", "study", "--html", "--output"]
      try workspace.run(report + ["pages"]).expectSuccess()
      try workspace.run(report + ["pages"]).expectSuccess()
      try workspace.write("<html>mine</html>", to: "pages/report.html")
      try workspace.expectFailure(report + ["pages"], "pages/report.html", "no report")
      try workspace.expectFailure(report + ["text/lighthouse.txt"], "Not a directory")
      try workspace.expectFailure(["report", "study", "--output", "pages"], "--output goes with --html", code: 64)
      try workspace.remove("pages/report.html")
      try #require(mkfifo(workspace.url("pages/report.html").path, 0o600) == 0)
      let outcome = try workspace.run(report + ["pages"])
      outcome.expectFailure("pages/report.html", "fifo")
    }

    // MARK: Limits

    @Test func windowsWithinTheContext() throws {
      let workspace = try Workspace("llama3-gqa")
      let evaluate = ["evaluate", "--model", "model", "--text", "text/lighthouse.txt", "--windows", "1"]
      let found = try workspace.run(evaluate + ["--json"]).expectSuccess()
      #expect(found.errors.contains("--window-length is 256 instead of 2048 tokens, the context of model"))
      let measurements = try #require(found.json()["measurements"] as? [[String: Any]])
      #expect(measurements.compactMap { $0["window"] as? Int } == [256, 128])
      let fitting = try workspace.run(evaluate + ["--window-length", "256,128"]).expectSuccess()
      #expect(!fitting.errors.contains("context"))
      let beyond = try workspace.run(evaluate + ["--window-length", "300"]).expectSuccess()
      #expect(beyond.errors.contains("warning: --window-length 300 exceeds the context of model, 256 tokens"))
    }

    /// With 128 positions, defaults of 512 and 256 tokens are too many.
    @Test func smallModelsAreSearchedWithDefaults() throws {
      let workspace = try Workspace("mistral-gqa")
      let search = ["--model", "model", "--budget", "2", "--study", "study", "--calibration-windows", "4"]
      let outcome = try workspace.run(search + ["--fitness-windows", "2"]).expectSuccess()
      for option in ["--calibration-length is 128 instead of 512", "--fitness-length is 128 instead of 256"] {
        #expect(outcome.errors.contains("warning: \(option) tokens, the context of model"), "\(outcome)")
      }
      // The same command goes on.
      try workspace.run(search + ["--fitness-windows", "2"]).expectSuccess()
      let beyond = try workspace.run(
        "prune", "--model", "model", "--method", "wanda-sp", "--keep", "0.8", "--output", "out",
        "--calibration-windows", "2", "--calibration-length", "160", "--fitness-windows", "2", "--fitness-length", "32"
      ).expectSuccess()
      #expect(beyond.errors.contains("--calibration-length 160 exceeds the context of model, 128 tokens"))
    }

    // MARK: Inputs of repair

    @Test func repairIsForSubnets() throws {
      let workspace = try workspace()
      func repair(_ subnet: String, dense: String = "model") -> [String] {
        ["repair", "--dense", dense, "--model", subnet, "--output", "out"] + Self.text
      }
      try workspace.copy(workspace.url("model"), to: "same")
      try workspace.expectFailure(repair("model"), "it is the dense model itself, there is nothing to repair")
      try workspace.expectFailure(repair("same"), "it is the dense model itself")
      try workspace.expectFailure(repair("thin", dense: "thin"), "it is the dense model itself")
      // Half of a projection zero, in what misses channels and in what misses none.
      try zero("same/model.safetensors", "model.layers.1.mlp.up_proj.weight")
      try workspace.expectFailure(repair("same"), "same", "'model.layers.1.mlp.up_proj.weight' is 50.0 % zeros")
      try workspace.run(repair("thin")).expectSuccess()

      func zero(_ file: String, _ tensor: String) throws {
        try workspace.edit(file) { data in
          let length = Int(data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
          let header = try #require(JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any])
          let entry = try #require(header[tensor] as? [String: Any])
          let offsets = try #require(entry["data_offsets"] as? [Int])
          let size = (entry["dtype"] as? String) == "F32" ? 4 : 2
          for start in stride(from: offsets[0], to: offsets[1], by: 2 * size) {
            data.replaceSubrange(8 + length + start..<8 + length + start + size, with: repeatElement(0, count: size))
          }
        }
      }
    }
  }
}
