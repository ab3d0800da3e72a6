import Foundation
import Testing

extension EndToEnd {
  /// Figures, axes, and what exported points reach as files.
  @Suite(.serialized) struct Reports {
    @Test func evidenceOfExportsAndOfTheDenseModel() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search("--keep", "0.8")).expectSuccess()
      try workspace.run(
        "export", "results/study", "--format", "gguf", "--output", "point.gguf", "--repair", "nested"
      ).expectSuccess()
      try workspace.run("convert", "--model", "model", "--dtype", "f16", "--output", "dense.gguf").expectSuccess()
      try workspace.run("convert", "--model", "point.gguf", "--dtype", "f32", "--output", "again.gguf").expectSuccess()
      for (name, model) in [
        ("point", "point.gguf"), ("dense", "dense.gguf"), ("again", "again.gguf"), ("own", "model"),
      ] {
        let measured = try workspace.run(
          "evaluate", "--model", model, "--dense", "model", "--text", "text/lighthouse.txt", "--window-length", "32",
          "--windows", "2", "--json"
        ).expectSuccess()
        try workspace.write(measured.output, to: name + ".json")
      }
      let command = ["report", "results/study", "--evidence", "point.json", "dense.json", "again.json", "own.json"]
      let report = try workspace.run(command + ["--json"]).expectSuccess().json()
      let files = try #require(report["files"] as? [[String: Any]])
      let front = try #require(report["front"] as? [[String: Any]])
      let best = try #require(front.first { $0["best"] as? Bool == true })
      let point = try #require(files.first { $0["file"] as? String == "point.gguf" })
      let again = try #require(files.first { $0["file"] as? String == "again.gguf" })
      #expect(files.count == 4 && files.count { $0["trial"] is NSNull } == 2)
      #expect(point["point"] as? Int == best["point"] as? Int && again["point"] as? Int == best["point"] as? Int)
      #expect(point["repair"] as? String == "nested" && again["repair"] as? String == "nested")
      let size = try workspace.data("point.gguf").count
      #expect(point["bytes"] as? Int == size && point["weights"] as? String != again["weights"] as? String)
      let table = try workspace.run(
        command + ["--html", "--figure", "files.svg", "--axes", "file_bytes,kl@lighthouse.txt"]
      )
      .expectSuccess()
      #expect(table.output.hasPrefix("point") && table.output.contains("best"))
      #expect(String(decoding: try workspace.data("files.svg"), as: UTF8.self).contains("Bytes of the file"))
      #expect(String(decoding: try workspace.data("results/study/files.csv"), as: UTF8.self).contains("again.gguf"))

      // Of a study of another name.
      try workspace.run(Workspace.search("--keep", "0.8", study: "results/other")).expectSuccess()
      try workspace.expectFailure(
        ["report", "results/other", "--evidence", "point.json"], "point.json", "is an export of study")
    }

    @Test func figuresAndAxes() throws {
      let workspace = try Workspace("llama3-gqa")
      try workspace.run(Workspace.search("--keep", "0.8", budget: "8")).expectSuccess()
      let report = ["report", "results/study"]
      for (file, mark) in [("front.svg", "<svg"), ("front.pdf", "%PDF-1.4")] {
        try workspace.run(report + ["--figure", file]).expectSuccess()
        #expect(String(decoding: try workspace.data(file).prefix(60), as: UTF8.self).contains(mark))
        // Its own figures it replaces.
        try workspace.run(report + ["--figure", file, "--axes", "cache_bytes,perplexity"]).expectSuccess()
      }
      try workspace.write("mine", to: "mine.svg")
      try workspace.expectFailure(report + ["--figure", "mine.svg"], "mine.svg", "no figure")
      try workspace.expectFailure(report + ["--figure", "front.png"], "end in .svg or .pdf", code: 64)
      try workspace.expectFailure(report + ["--axes", "kl,speed"], "unknown axis 'speed'", "cache_bytes")
      try workspace.expectFailure(report + ["--axes", "kl"], "two different names")
      try workspace.expectFailure(report + report.dropFirst() + ["--axes", "kl,params"], "one study", code: 64)
      try workspace.expectFailure(report + ["--evidence", "results/study/front.json"], "is no evidence")
    }
  }
}
