import Foundation
import Studies
import Testing

extension EndToEnd {
  /// Studies that are damaged or belong to something else, and exports that cannot be.
  @Suite(.serialized) struct BadStudies {
    private func withStudy() throws -> Workspace {
      let workspace = try Workspace("llama3-gqa", "mistral-gqa")
      try workspace.run(Workspace.search("--keep", "0.8")).expectSuccess()
      return workspace
    }

    private let resume = Workspace.search("--keep", "0.8", budget: "14")
    private let export = ["export", "results/study", "--format", "hf", "--output", "out"]

    @Test func noStudy() throws {
      let workspace = try Workspace("llama3-gqa")
      for place in ["text", "nowhere", "text/lighthouse.txt"] {
        try workspace.expectFailure(["report", place], place, "no study here")
        try workspace.expectFailure(["report", place, "--html"], place, "no study here")
        try workspace.expectFailure(["export", place, "--format", "hf", "--output", "out"], place, "no study here")
      }
    }

    @Test func otherSettings() throws {
      let workspace = try withStudy()
      let study = "results/study"
      try workspace.expectFailure(
        Workspace.search("--keep", "0.7"), study, "target was --keep 0.8, now --keep 0.7", "another --study")
      try workspace.expectFailure(Workspace.search("--keep", "0.8", "--seed", "1"), study, "seed was 0, now 1")
      try workspace.expectFailure(
        Workspace.search("--keep", "0.8", "--space", "uniform"), study, "space was widths, now uniform")
      try workspace.expectFailure(
        Workspace.search("--keep", "0.8", "--calibration", "text/notes.jsonl"), study, "calibration was self")
      try workspace.expectFailure(
        Workspace.search("--keep", "0.8", "--scores", "obs,flap"), study,
        "scores was not given, now obs,flap")
      // Another model comes first, whatever else is different.
      for target in ["0.8", "0.7"] {
        try workspace.expectFailure(
          Workspace.search("--keep", target, model: "mistral-gqa"), study, "was made for model", "mistral-gqa")
      }
      try workspace.expectFailure(export + ["--model", "mistral-gqa"], "mistral-gqa", "fingerprint")
      // None of it harmed the study.
      try workspace.run(resume).expectSuccess()
    }

    @Test func changedSpaceFile() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.write("name: mine\n", to: "mine.yaml")
      try workspace.run(Workspace.search("--space", "mine.yaml")).expectSuccess()
      try workspace.write("name: mine\nmlp:\n  minimum: 0.5\n", to: "mine.yaml")
      try workspace.expectFailure(
        Workspace.search("--space", "mine.yaml"), "results/study", "file of the search space has changed")
    }

    @Test func damagedDatabase() throws {
      let workspace = try withStudy()
      let file = "results/study/study.db"
      let whole = try workspace.data(file)
      let damages: [(Data, String)] = [
        (Data("hello world ".utf8 + Array(repeating: 7, count: 9000)), "not a database"), (Data(), "not a study"),
        (whole.prefix(whole.count / 2), "malformed"), (whole.prefix(1000), "study.db"),
      ]
      for (data, words) in damages {
        for command in [resume, export, ["report", "results/study"]] {
          try data.write(to: workspace.url(file))
          try workspace.expectFailure(command, "results/study/study.db", words)
        }
      }
      try whole.write(to: workspace.url(file))
      try workspace.run(resume).expectSuccess()
    }

    /// Numbers that no search stores, in an edited database.
    @Test func numbersThatCannotBe() throws {
      let workspace = try withStudy()
      let whole = try workspace.data("results/study/study.db")
      for (key, from, to, words) in [
        ("keep_range", "[", "[-1e300,", "keep_range"), ("keep_range", "[", "[1e18,1e19]", "keep_range"),
        ("model_summary", "\"layers\":3", "\"layers\":-1", "'layers' is -1"),
        ("model_summary", "\"layers\":3", "\"layers\":9223372036854775807", "'layers' is 9223372036854775807"),
        ("dense", "\"parameters_block\":", "\"parameters_block\":9223372036854775807,\"x\":", "'parameters_block'"),
        (
          "settings", "\"calibration_length\":64", "\"calibration_length\":9223372036854775807",
          "--calibration-length must be"
        ),
        ("settings", "\"population\":16", "\"population\":1e300", "'settings' cannot be read"),
      ] {
        try whole.write(to: workspace.url("results/study/study.db"))
        let study = try Study.open(.folder(workspace.url("results/study")))
        let stored = try study.attribute(key)
        let text = try #require(stored)
        let changed = to == "[1e18,1e19]" ? to : text.replacingOccurrences(of: from, with: to)
        #expect(changed != text)
        try study.setAttributes([key: changed])
        try study.close()
        for command in [["report", "results/study"], export] {
          try workspace.expectFailure(command, "results/study/study.db", words)
        }
      }
    }

    @Test func damagedCalibration() throws {
      let workspace = try withStudy()
      let file = "results/study/calibration.json"
      let whole = try workspace.text(file)
      let start = try #require(whole.range(of: "\"calibration_tokens\":["))
      let damages: [(String, String)] = [
        (String(whole.prefix(whole.count / 2)), "cannot be read"), ("{}", "cannot be read"),
        (whole.replacingOccurrences(of: "\"calibration_length\":64", with: "\"calibration_length\":63"), "not whole"),
        (whole.replacingCharacters(in: start, with: "\"calibration_tokens\":[99999,"), "99999"),
        (whole.replacingOccurrences(of: "\"model\":\"", with: "\"model\":\"x"), "made for the model x"),
      ]
      for (text, words) in damages {
        try workspace.write(text, to: file)
        for command in [resume, export] { try workspace.expectFailure(command, file, words) }
      }
      try workspace.remove(file)
      try workspace.expectFailure(resume, file, "the calibration windows are missing")
      try workspace.write(whole, to: file)
      // The settings are in the database, too.
      try workspace.remove("results/study/configuration.json")
      try workspace.run(resume).expectSuccess()
    }

    @Test func damagedStatistics() throws {
      // Without gradients, so that the cache holds one entry.
      let workspace = try Workspace("llama3-gqa", "mistral-gqa")
      try workspace.write("name: plain\nscores: [wanda-sp]\n", to: "plain.yaml")
      let options = ["--space", "plain.yaml", "--curve-metric", "residual"]
      let resume = resume + options
      try workspace.run(Workspace.search("--keep", "0.8") + options).expectSuccess()
      let folder = workspace.url(ofCache: try #require(workspace.cache.first))
      let file = folder.appendingPathComponent("layer-1.safetensors")
      try Data(contentsOf: file).prefix(100).write(to: file)
      for command in [resume, export] {
        try workspace.expectFailure(command, "layer-1.safetensors", "remove \(folder.path)")
      }
      try FileManager.default.removeItem(at: file)
      try workspace.expectFailure(resume, "layer-1.safetensors", "remove \(folder.path)")
      // And what the message says helps.
      try FileManager.default.removeItem(at: folder)
      try workspace.run(resume).expectSuccess()
    }

    @Test func exportsThatCannotBe() throws {
      let workspace = try withStudy()
      let study = "results/study"
      func export(_ more: String..., format: String = "hf", output: String = "out") -> [String] {
        ["export", study, "--format", format, "--output", output] + more
      }
      for point in ["99", "-1", "best-one"] {
        try workspace.expectFailure(export("--point=\(point)"), "'\(point)'", "best, knee")
      }
      try workspace.expectFailure(export("--keep", "0.1"), "within --keep 0.1", "the smallest keeps")
      try workspace.expectFailure(export("--keep", "7"), "--keep", code: 64)
      try workspace.expectFailure(export("--keep", "0.8", "--point", "knee"), "--keep", "knee", code: 64)
      try workspace.expectFailure(export(format: "onnx"), "onnx", code: 64)
      try workspace.expectFailure(export("--dtype", "int8"), "int8", code: 64)
      try workspace.expectFailure(export(output: ""), "--output", code: 64)
      try workspace.expectFailure(export("--format", "gguf"), "there are 2 and 1", code: 64)
      try workspace.expectFailure(export("--output", "./out", "--format", "gguf"), "the same --output", code: 64)
      try workspace.expectFailure(["export", study, "--output", "out"], "--format", code: 64)
      for format in ["hf", "gguf"] {
        try workspace.expectFailure(export(format: format, output: "/proc/none/out"), "cannot write /proc/none/out")
        try workspace.expectFailure(
          export(format: format, output: "text/lighthouse.txt/out"), "text/lighthouse.txt/out", "Not a directory")
      }
      try workspace.expectFailure(export(output: "text/lighthouse.txt"), "lighthouse.txt", "not a folder")
      try workspace.expectFailure(export("--replace", format: "gguf", output: "text"), "text", "it is a folder")
      try workspace.expectFailure(export(output: "text"), "text", "not empty")
      try workspace.expectFailure(export("--replace", output: "text"), "text", "other things than a checkpoint")
      try workspace.expectFailure(export("--model", "nowhere"), "nowhere", "no such file or folder")
    }
  }
}
