import ArgumentParser
import Checkpoints
import Pipeline
import Reports
import Studies

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Show the Pareto front of a study, or several studies side by side.")

  @Argument(help: "Folder of the study, or postgresql://…#NAME; of several studies, a comparison.")
  var studies: [String]
  @Flag(help: "Write front.csv, front.json and report.html, too.") var html = false
  @Option(
    help: "With --html: the folder to write to. Default: the study's own; of one on a server, runs/NAME.",
    transform: LocalPath.checked)
  var output: String?
  @Flag(help: "Print the front as JSON.") var json = false
  @Flag(help: "Tell how well some of the fitness windows, and error curves alone, order the candidates.")
  var fidelity = false

  func validate() throws {
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
    if output != nil && !html { throw ValidationError("--output goes with --html") }
    if studies.count > 1 && (html || json || fidelity) {
      throw ValidationError("--html, --json and --fidelity go with one study")
    }
  }

  func run() throws {
    guard let study = studies.first, studies.count == 1 else {
      return try Console.print(
        StudiesTable.render(studies.map { try ReportBuilder.report($0) }, width: Console.width(1)))
    }
    if fidelity {
      let fidelity = try FidelityReport(StudyAddress(study))
      if json { return try Console.json(StoredJSON.document(fidelity, schema: "fidelity")) }
      return try Console.print(fidelity.sentences.joined(separator: "\n"))
    }
    let report = try ReportBuilder.report(study, notes: ReportNotes.notes)
    let folder = html ? try ReportFiles.write(report, of: StudyAddress(study), to: output) : nil
    let kept = folder.map { "the report is in \($0)" }
    if json { return try Console.json(FrontJSON.data(report), kept: kept) }
    try Console.print(ReportFiles.table(report), kept: kept)
    if let folder { Console.note("report: \(folder)/report.html") }
  }
}
