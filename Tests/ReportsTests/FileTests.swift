import Checkpoints
import Evaluation
import Foundation
import Testing

@testable import Reports

@Suite struct FrontFileTests {
  @Test func smallReportReadsAsRecorded() throws {
    try expectGolden(String(decoding: FrontCSV.data(SyntheticReports.small), as: UTF8.self), "front.csv")
    try expectGolden(String(decoding: FrontJSON.data(SyntheticReports.small), as: UTF8.self), "front.json")
  }

  @Test func csvHasAsManyFieldsInEveryRow() {
    let report = SyntheticReports.usual
    let lines = String(decoding: FrontCSV.data(report), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 1 + report.front.count + 1 + report.baselines.count)
    for line in lines {
      #expect(line.split(separator: ",", omittingEmptySubsequences: false).count == FrontCSV.header(report).count)
    }
  }

  @Test func csvQuotesWhatNeedsIt() {
    #expect(CSVTable.field("plain text") == "plain text")
    #expect(CSVTable.field("a,b") == "\"a,b\"")
    #expect(CSVTable.field("say \"hi\"\r\n") == "\"say \"\"hi\"\"\r\n\"")
  }

  @Test func jsonReadsBackWithTheSameNumbers() throws {
    let report = SyntheticReports.usual
    let object = try JSONSerialization.jsonObject(with: FrontJSON.data(report))
    let root = try #require(object as? [String: Any])
    #expect(root["version"] as? Int == 2 && root["schema"] as? String == "nas-search.report")
    let front = try #require(root["front"] as? [[String: Any]])
    #expect(front.count == report.front.count)
    for (json, point) in zip(front, report.front) {
      #expect(json["point"] as? Int == point.index)
      #expect(json["kl"] as? Double == point.measurement[.kl])
      #expect(json["total_parameters"] as? Int == point.measurement.parametersTotal)
      #expect(json["best"] as? Bool == point.isBest)
      let widths = try #require(json["widths"] as? [String: [Int]])
      #expect(widths["kv_groups"] == point.widths.map(\.groups))
      #expect(widths["mlp_channels"] == point.widths.map(\.channels))
    }
  }

  @Test func jsonHasNoNumbersThatJSONLacks() throws {
    var report = SyntheticReports.small
    report.front[0].measurement[.kl] = .infinity
    report.front[0].measurement[.perplexity] = .nan
    let root = try #require(try JSONSerialization.jsonObject(with: FrontJSON.data(report)) as? [String: Any])
    let first = try #require((root["front"] as? [[String: Any]])?.first)
    #expect(first["kl"] is NSNull && first["perplexity"] is NSNull && first["ratio_to_dense"] is NSNull)
  }

  @Test func jsonStringsAreEscaped() throws {
    let text = "quote \" slash \\ tab \t bell \u{7} line \u{2028} end </script>"
    for json in [JSONValue.array([.string(text)]).document, JSONValue.array([.string(text)]).script] {
      let read = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String]
      #expect(read == [text])
    }
    let script = JSONValue.object(["</script><!--": .string("<b>&\u{2029}")]).script
    #expect(script == #"{"\u003c/script\u003e\u003c!--":"\u003cb\u003e\u0026\u2029"}"#)
  }

  @Test func jsonNumbersAreShortAndExact() {
    #expect(
      JSONValue.array([.number(3), .number(0.1), .number(-1e300), .null, .bool(true)]).document
        == "[3, 0.1, -1e+300, null, true]\n")
    #expect(JSONValue.object([:]).document == "{}\n" && JSONValue.array([]).document == "[]\n")
  }

  @Test func reportItselfCanBeStored() throws {
    let report = SyntheticReports.usual
    #expect(try JSONDecoder().decode(StudyReport.self, from: JSONEncoder().encode(report)) == report)
  }
}
