import Foundation
import Testing

extension EndToEnd {
  /// Options, texts, spaces and places that cannot be: one line that says so, and nothing left behind.
  @Suite(.serialized) struct BadRequests {
    // MARK: Texts

    @Test func textsToCalibrateOn() throws {
      let workspace = try Workspace("llama3-gqa")
      func fail(_ file: String, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        let before = try workspace.snapshot()
        try workspace.run(Workspace.search("--calibration", file)).expectFailure(
          [file] + words, sourceLocation: sourceLocation)
        #expect(try workspace.snapshot() == before, sourceLocation: sourceLocation)
      }
      try fail("nowhere.txt", "no such file")
      try fail("text", "cannot be read")
      try workspace.write("", to: "empty.txt")
      try fail("empty.txt", "the text is empty")
      try workspace.write("\n\n", to: "empty.jsonl")
      try fail("empty.jsonl", "the text is empty")
      try workspace.write("The lamp was lit.", to: "short.txt")
      try fail("short.txt", "too short", "windows of 64")
      // Found before text is sampled for another set.
      let both = try workspace.run(Workspace.search("--calibration", "self", "--calibration", "short.txt"))
      #expect(both.code == 1 && !both.errors.contains("sampling calibration text from the model"), "\(both)")
      try Data("caf\u{E9} ".unicodeScalars.map { UInt8($0.value) } + [0xFF]).write(to: workspace.url("latin.txt"))
      try fail("latin.txt", "not valid UTF-8")
      try workspace.write("{\"text\": \"a\"}\n{\"body\": \"b\"}\n", to: "body.jsonl")
      try fail("body.jsonl", "body.jsonl:2", "'text'")
      try workspace.write("{\"text\": \"a\"}\nhello\n", to: "broken.jsonl")
      try fail("broken.jsonl", "broken.jsonl:2", "not valid JSON", "at byte 0 of the line")
      try workspace.expectFailure(
        Workspace.search("--calibration", "text/notes.jsonl", "--field", "body"), "notes.jsonl:1", "'body'")
    }

    @Test func namesOfCalibrationSets() throws {
      let workspace = try Workspace("llama3-gqa")
      for name in ["lighthouse", "self", "mix"] {
        try workspace.copy(Workspace.fixtures.appendingPathComponent("text/lighthouse.txt"), to: name + ".txt")
      }
      let sets = { (names: String...) in Workspace.search() + names.flatMap { ["--calibration", $0] } }
      try workspace.expectFailure(
        sets("lighthouse.txt", "text/lighthouse.txt"), "two calibration sets", "'lighthouse'")
      try workspace.expectFailure(sets("self", "self.txt"), "two calibration sets", "'self'")
      try workspace.expectFailure(sets("self", "mix.txt"), "mix.txt", "'mix'")
    }

    @Test func textsToEvaluateOn() throws {
      let workspace = try Workspace("llama3-gqa", "llama-linear")
      func evaluate(_ more: String...) -> [String] { ["evaluate", "--model", "model", "--text"] + more }
      let text = "text/lighthouse.txt"
      try workspace.write("", to: "empty.txt")
      try workspace.expectFailure(evaluate(text, "nowhere.txt", "--window-length", "32"), "nowhere.txt", "no such file")
      try workspace.expectFailure(evaluate("empty.txt", "--window-length", "32"), "empty.txt", "empty")
      try workspace.expectFailure(evaluate(text, "--window-length", "32,9999999"), text, "too short", "9999999")
      try workspace.expectFailure(
        evaluate("text/notes.jsonl", "--field", "body", "--window-length", "32"), "notes.jsonl:1", "'body'")
      for window in ["0", "1", "-5", "32,", "x", "32,0"] {
        try workspace.expectFailure(evaluate(text, "--window-length=\(window)"), "--window-length", code: 64)
      }
      try workspace.expectFailure(evaluate(text, "--windows", "0"), "--windows", code: 64)
      try workspace.expectFailure(["evaluate", "--model", "model"], "--text", code: 64)
      // The other fixture has another vocabulary, and no tokenizer.
      try workspace.expectFailure(
        evaluate(text, "--window-length", "32", "--dense", "llama-linear"), "vocabulary", "64")
      try workspace.expectFailure(
        ["evaluate", "--model", "llama-linear", "--text", text, "--window-length", "32"], "tokenizer.json",
        "no such file")
    }

    // MARK: Options

    /// A wrong word is named before what is missing.
    @Test(arguments: [
      (["prun", "--kep"], "Unknown command 'prun'. Did you mean 'prune'?"),
      (["prune", "--kep", "0.8"], "Unknown option '--kep'. Did you mean '--keep'?"),
      (["prune", "--model", "model", "--methd=flap"], "Unknown option '--methd'. Did you mean '--method'?"),
      (["--modle", "model"], "Unknown option '--modle'. Did you mean '--model'?"),
      (["search", "--zzzzzzzzzzzz"], "Unknown option '--zzzzzzzzzzzz'."),
      (["evaluate", "--json"], "there is no model: give --model or --study"),
      (["convert", "--json"], "Missing expected argument '--model <model>'"),
      (["prune", "--model", "--keep"], "Missing value for '--model <model>'"),
    ])
    func wrongWordsComeFirst(_ command: [String], _ words: String) throws {
      let workspace = try Workspace("llama3-gqa")
      let before = try workspace.snapshot()
      let outcome = try workspace.run(command)
      outcome.expectFailure(words, code: 64)
      #expect(outcome.errorLines.first == "Error: \(words)" && outcome.errors.contains("See 'nas-search"))
      #expect(try workspace.snapshot() == before)
    }

    @Test func impossibleTargets() throws {
      let workspace = try Workspace("llama3-gqa")
      let range = ["no subnet", "10944 to 27840"]
      for (option, value, shown) in [
        ("--keep", "0.01", "--keep 0.01"), ("--params", "100", "--params 100"),
        ("--size", "1KB", "--size 1000 (less than embedding and head take)"),
      ] {
        try workspace.expectFailure(Workspace.search(option, value), range[0], range[1], shown)
      }
      for value in ["0", "-0.5", "1.5", "nan", "x"] {
        try workspace.expectFailure(Workspace.search("--keep=\(value)"), "--keep", code: 64)
      }
      for value in ["0", "-1", "1e30", "x", "1Q"] {
        try workspace.expectFailure(Workspace.search("--params=\(value)"), "--params", code: 64)
        try workspace.expectFailure(Workspace.search("--size=\(value)"), "--size", code: 64)
      }
      try workspace.expectFailure(Workspace.search("--keep", "0.5", "--params", "1M"), "only one", code: 64)
    }

    @Test(arguments: [
      "0", "-3", "abc", "", "5x", "1,2", "10s,20s", "inf", "1e999s", "nans", "-1m", "99999999999999999999",
    ])
    func budgets(_ budget: String) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(
        Array(Workspace.search().dropFirst(4)) + ["--model", "model", "--budget=\(budget)"], "--budget", code: 64)
    }

    @Test(arguments: [
      ("--population", "1"), ("--calibration-windows", "0"), ("--calibration-windows", "100000000000"),
      ("--calibration-length", "1"), ("--fitness-windows", "0"), ("--fitness-length", "9999999"),
      ("--objectives", "params"), ("--objectives", "kl,speed"), ("--repair", "lora"), ("--damping", "nan"),
      ("--damping", "0"), ("--seed", "x"),
      ("--speed", "9"),
    ])
    func options(_ name: String, _ value: String) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(Workspace.search("\(name)=\(value)"), code: 64)
    }

    @Test func generation() throws {
      let workspace = try Workspace("llama3-gqa")
      func generate(_ more: String...) -> [String] { ["generate", "--model", "model", "--prompt", "The"] + more }
      try workspace.expectFailure(generate("--tokens", "0"), "--tokens", code: 64)
      try workspace.expectFailure(generate("--tokens", "100000000000"), "--tokens", "context of 256")
      try workspace.expectFailure(generate("--temperature", "nan"), "--temperature", code: 64)
      try workspace.expectFailure(generate("--top-p", "0"), "--top-p", code: 64)
      try workspace.expectFailure(["generate", "--model", "model", "--prompt", ""], "--prompt", code: 64)
      try workspace.expectFailure(["generate", "--model", "nowhere", "--prompt", "a"], "nowhere", "no such file")
    }

    // MARK: Places

    @Test func places() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write("", to: "file")
      try workspace.expectFailure(
        Workspace.search(study: "file/study"), "file/study", "cannot be made", "Not a directory")
      try workspace.expectFailure(Workspace.search(study: "file"), "file", "Not a directory")
      try workspace.expectFailure(Workspace.search(study: "/proc/none/study"), "/proc/none/study", "cannot be made")
      try workspace.expectFailure(Workspace.search(study: ""), "--study", code: 64)
      try workspace.expectFailure(Workspace.search("--cache", "file"), "file", "Not a directory")
      try workspace.expectFailure(Workspace.search("--cache", "/proc/none"), "/proc/none")
    }

    /// Said before any statistics are gathered.
    @Test func tokenizersThatFormatsLack() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search()).expectSuccess()
      let file = workspace.url("model/tokenizer.json")
      let known = "\"use_regex\":false}]}"
      let text = try String(contentsOf: file, encoding: .utf8)
      try #require(text.contains(known))
      try workspace.write(
        text.replacingOccurrences(of: known, with: known.replacingOccurrences(of: "false", with: "true")),
        to: "model/tokenizer.json")
      let cache = try #require(workspace.environment["NAS_SEARCH_CACHE"])
      try FileManager.default.removeItem(atPath: cache)
      for command in [
        ["prune", "--model", "model", "--method", "flap", "--keep", "0.7"],
        ["solve", "--model", "model", "--keep", "0.7"],
        ["repair", "--dense", "model", "--model", "model"], ["export", "results/study"],
      ] {
        try workspace.expectFailure(
          command + ["--format", "gguf", "--output", "out.gguf"], "GGUF tokenizer", "pre-tokenizer")
        #expect(!FileManager.default.fileExists(atPath: cache), "\(command[0])")
      }
    }

    // MARK: Search spaces

    @Test(arguments: [
      ("name: a\nwidth: 3\n", "space.yaml:2: unknown key 'width'"),
      ("name: a\nattention:\n  minimun: 1\n", "space.yaml:3: unknown key 'minimun' (known: minimum, step, queries)"),
      ("name: a\nfloors:\n  - layers: [0]\n    widths: 1\n", "unknown key 'widths'"),
      ("summary: a\n", "'name' is missing"), ("", "mapping"), ("[1, 2]", "mapping"), ("name: \"a\n", "space.yaml"),
      ("name: a\nname: b\n", "'name'"), ("name: a\nmlp: 5\n", "line 2"),
      ("name: a\nkeep: [0.9, 0.5]\n", "space.yaml:2: 'keep'"), ("name: a\nkeep: [0.01, 0.02]\n", "'keep'"),
      ("name: a\nscores: [guess]\n", "unknown score 'guess'"), ("name: a\nscores: []\n", "'scores'"),
      ("name: a\nscores: [wanda-sp, wanda-sp]\n", "'scores'"),
      ("name: a\ncalibration: [each, each]\n", "'calibration'"),
      ("name: a\nlayers: some\n", "'layers' must be one of each, shared"),
      ("name: a\nmlp:\n  minimum: -1\n", "space.yaml:3: 'minimum'"), ("name: a\nmlp:\n  step: 0\n", "'step'"),
      ("name: a\nmlp:\n  step: 9223372036854775807\n", "space.yaml:3: 'step' must be a whole number between 1 and"),
      ("name: a\nsamples: [4611686018427387904]\n", "space.yaml:2: 'samples'"),
      ("name: a\nmlp:\n  minimum: 500\n", "layers.0.mlp must keep 500 units but the model has 64"),
      ("name: a\nfloors:\n  - layers: [7]\n    mlp: 0.5\n", "layer 7 of 3"),
    ])
    func spaces(_ yaml: String, _ words: String) throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write(yaml, to: "space.yaml")
      try workspace.expectFailure(Workspace.search("--space", "space.yaml"), words)
      if !words.contains("'keep'") {
        try workspace.expectFailure(["describe", "space.yaml", "--model", "model"], words)
      }
    }

    @Test func spacesThatAreNotThere() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.expectFailure(Workspace.search("--aim", "0.3"), "--aim 0.3", "'widths'", "0.5 to 1")
      try workspace.expectFailure(Workspace.search("--aim", "0.8", "--keep", "0.8"), "--aim", "--keep", code: 64)
      try workspace.expectFailure(Workspace.search("--scores", "obs,nope"), "widths", "'nope'")
      try workspace.expectFailure(Workspace.search("--scores", "obs,obs"), "scores", "twice")
      try workspace.expectFailure(["spaces", "nowhere"], "'nowhere'", "known: widths")
      try workspace.expectFailure(Workspace.search("--space", "nowhere"), "'nowhere'", "known: widths")
      try workspace.expectFailure(Workspace.search("--space", "nowhere.yaml"), "nowhere.yaml", "no such search space")
      try workspace.expectFailure(
        ["describe", "nowhere", "--model", "model"], "'nowhere'", "known: widths")
    }
  }
}
