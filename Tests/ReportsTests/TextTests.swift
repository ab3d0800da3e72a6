import Checkpoints
import Foundation
import Testing

@testable import Reports

@Suite struct NumberTextTests {
  @Test func counts() {
    #expect(NumberText.short(999) == "999")
    #expect(NumberText.short(134_515_008) == "134.5 M")
    #expect(NumberText.short(999_960_000) == "1.0 B")
    #expect(NumberText.short(405_853_388_800) == "405.9 B")
    #expect(NumberText.grouped(1_234_567) == "1,234,567")
    #expect(NumberText.grouped(-1000) == "-1,000")
    #expect(NumberText.grouped(.min) == "-9,223,372,036,854,775,808")
  }

  @Test func measures() {
    #expect(NumberText.kl(0) == "0")
    #expect(NumberText.kl(0.312_44) == "0.3124")
    #expect(NumberText.kl(0.000_012) == "1.2e-5")
    #expect(NumberText.kl(9.99996) == "10.00")
    #expect(NumberText.kl(.infinity) == "∞")
    #expect(NumberText.kl(nil) == "–" && NumberText.kl(.nan) == "–")
    #expect(NumberText.large(126.378) == "126.38")
    #expect(NumberText.large(3.4e8) == "3.40e8")
    #expect(NumberText.percent(0.79812) == "79.8 %")
    #expect(NumberText.fixed(-0.0001, 2) == "0.00")
    #expect(NumberText.significant(0.31249) == "0.312")
    #expect(NumberText.significant(0.99996) == "1")
    #expect(NumberText.significant(1500) == "1500")
    #expect(NumberText.significant(0.02) == "0.02")
  }

  @Test func times() {
    #expect(NumberText.duration(3.14) == "3.1 s")
    #expect(NumberText.duration(461) == "7 min 41 s")
    #expect(NumberText.duration(7500) == "2 h 5 min")
    #expect(NumberText.duration(200_000) == "2 d 7 h")
    #expect(NumberText.duration(.infinity) == "–")
    #expect(NumberText.clock(432) == "07:12")
    #expect(NumberText.clock(3723) == "1:02:03")
    #expect(NumberText.moment(Date(timeIntervalSince1970: 0)) == "1970-01-01 00:00 UTC")
  }
}

@Suite struct ExportCommandTests {
  @Test func wordsAreQuotedForTheShell() {
    #expect(ShellWord.quoted("results/a-b_1.0") == "results/a-b_1.0")
    #expect(ShellWord.quoted("it's $HOME") == "'it'\\''s $HOME'")
    #expect(ShellWord.quoted("") == "''")
    #expect(ShellWord.quoted("modèle") == "'modèle'")
  }

  @Test func bothFormats() {
    let report = SyntheticReports.usual
    #expect(
      ExportCommand.text(report, report.front[3], format: .huggingFace)
        == "nas-search export results/smollm2-135m-widths --point 3 --format hf --output smollm2-135m-widths-point3")
    #expect(
      ExportCommand.text(SyntheticReports.small, report.front[3], format: .gguf)
        == "nas-search export 'results/it'\\''s here' --point 3 --format gguf --output "
        + "smollm2-widths-quotes-point3.gguf")
  }

  @Test func awkwardStudyNamesGiveUsableFileNames() {
    var report = SyntheticReports.small
    for (name, stem) in [("../../x", "x"), ("--rf", "rf"), ("日本", "subnet"), ("a/b c", "a-b-c")] {
      report.name = name
      #expect(ExportCommand.text(report, report.front[0], format: .huggingFace).hasSuffix("--output \(stem)-point0"))
    }
  }
}
