import ArgumentParser
import Pipeline

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Show the Pareto front of a study.")

  @Argument(help: "Folder of the study.") var study: String
  @Flag(help: "Write front.csv, front.json and report.html into the folder too.") var html = false
  @Flag(help: "Print the front as JSON.") var json = false
  @Flag(help: "Tell how well some of the fitness windows, and error curves alone, order the candidates.")
  var fidelity = false

  func run() throws {
    if fidelity {
      let fidelity = try FidelityReport(study)
      if json { return Console.json(try ReportFiles.json(fidelity)) }
      return Console.print(fidelity.sentences.joined(separator: "\n"))
    }
    let report = html ? try ReportFiles.write(study) : try ReportBuilder.report(study)
    if json { return Console.json(ReportFiles.json(report)) }
    Console.print(ReportFiles.table(report))
    if html { Console.note("report: \(study)/report.html") }
  }
}
