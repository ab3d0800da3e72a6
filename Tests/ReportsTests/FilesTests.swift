import Foundation
import Testing

@testable import Reports

@Suite struct FilesTests {
  let report = SyntheticReports.measured

  @Test func tablesReadAsRecorded() throws {
    try expectGolden(FilesTable.render(report), "files.txt")
    try expectGolden(String(decoding: FilesCSV.data(report), as: UTF8.self), "files.csv")
    let figure = FrontFigure.data(report, try #require(report.fileAxes), as: .svg)
    try expectGolden(String(decoding: figure, as: UTF8.self), "files.svg")
  }

  @Test func frontIsOfBytesAndQuality() throws {
    let axes = try #require(report.fileAxes)
    #expect(axes.x.name == "file_bytes" && axes.y.name == "kl@lake.txt")
    // The dense model in four bits is smaller and better than the point in eight. Without a quality nothing is on the front.
    #expect(FilesTable(report).rows.map(\.isFront) == [true, false, true, true, false])
  }

  @Test func filesHaveAxesOfTheirOwnAndSizesOfTheirPoints() throws {
    let own = [
      "file_bytes", "kl@lake.txt", "perplexity@lake.txt", "top1_agreement@lake.txt", "piqa:acc", "piqa:acc_norm",
      "prompt_speed", "generation_speed", "resident_bytes",
    ]
    #expect(Array(report.axes.map(\.name).suffix(own.count)) == own)
    // Files beside sizes, and nowhere else.
    let speed = try report.plotted(report.axes("params,generation_speed"))
    #expect(speed.count == 5 && speed.allSatisfy { $0.kind == .file || $0.kind == .denseFile })
    #expect(speed[1].values["params"] == report.front[1].measurement.values["params"])
    #expect(try report.plotted(report.axes("params,bytes")).allSatisfy { $0.kind != .file && $0.kind != .denseFile })
    #expect(try report.axes("piqa:acc_norm,generation_speed").x.direction == .maximize)
  }

  @Test func sameNamesOfDifferentWindowsStayApart() {
    var report = report
    report.files[1].texts[0].windows = 4
    let names = report.fileColumns.map(\.axis.name)
    #expect(names.contains("kl@lake.txt:512:8") && names.contains("kl@lake.txt:512:4"))
    #expect(!names.contains("kl@lake.txt"))
  }

  @Test func csvHasAsManyFieldsInEveryRow() {
    let lines = String(decoding: FilesCSV.data(report), as: UTF8.self).split(separator: "\n")
    let counts = Set(lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).count })
    #expect(lines.count == 1 + report.files.count && counts == [FilesCSV.header(report).count])
  }

  @Test func jsonHasEverythingOfAFile() throws {
    let root = try #require(try JSONSerialization.jsonObject(with: FrontJSON.data(report)) as? [String: Any])
    let files = try #require(root["files"] as? [[String: Any]])
    #expect(files.count == 5 && files[0]["point"] is NSNull && files[1]["point"] as? Int == 1)
    let tasks = try #require(files[0]["tasks"] as? [[String: Any]])
    #expect(tasks.map { $0["metric"] as? String } == ["acc", "acc_norm"])
    #expect((files[3]["speed"] as? [String: Any])?["generated_tokens_per_second"] as? Double == 110)
    #expect((root["speed_conditions"] as? [String: Any])?["rounds"] as? Int == 15)
  }

  @Test func pageShowsTableAndChart() {
    let page = HTMLPage.render(report)
    #expect(PageReading.unbalanced(page) == nil)
    #expect(page.contains("Exported points, measured") && page.contains("Bytes of the file (MB)"))
    // In both sizes of the chart.
    #expect(page.components(separatedBy: ">1 q8_0</text>").count == 3)
    #expect(!HTMLPage.render(SyntheticReports.small).contains("Exported points, measured"))
  }

  @Test func namesOfFilesCannotBecomeMarkup() {
    var report = report
    let hostile = "</script><b>\u{1B}[2J"
    for index in report.files.indices {
      report.files[index].name = hostile
      report.files[index].weights = hostile
      report.files[index].repair = hostile + "\(index)"
      for text in report.files[index].texts.indices { report.files[index].texts[text].name = hostile }
      for task in report.files[index].tasks.indices { report.files[index].tasks[task].task = hostile }
    }
    report.speed?.machine = hostile
    let page = HTMLPage.render(report)
    #expect(PageReading.unbalanced(page) == nil && !page.contains("<b>"))
    #expect(!FilesTable.render(report).contains("\u{1B}"))
  }
}
