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
  @Flag(help: "Write front.csv, front.json and report.html, too; with --evidence files.csv.") var html = false
  @Option(
    help: "With --html: the folder to write to. Default: the study's own; of one on a server, runs/NAME.",
    transform: LocalPath.checked)
  var output: String?
  @Option(
    help:
      "Show the front in two axes, X,Y: of objectives and everything else that was measured, such as params,kl. Another name is an error that lists them."
  )
  var axes: String?
  @Option(
    help: "Draw the front, in --axes, as a figure for a paper: a file that ends in .svg or .pdf.",
    transform: LocalPath.checked)
  var figure: String?
  @Option(
    parsing: .upToNextOption,
    help:
      "What was measured of exports of the study, and of its dense model: documents of 'evaluate --json' and of Tools/speed_llama_cpp.py.",
    transform: LocalPath.checked)
  var evidence: [String] = []
  @Flag(help: "Print the front as JSON.") var json = false
  @Flag(help: "Tell how well some of the fitness windows, and error curves alone, order the candidates.")
  var fidelity = false

  func validate() throws {
    if output?.isEmpty ?? false { throw ValidationError("--output is empty") }
    if output != nil && !html { throw ValidationError("--output goes with --html") }
    let isMore = html || axes != nil || figure != nil || !evidence.isEmpty
    if studies.count > 1 && (isMore || json || fidelity) {
      throw ValidationError("--html, --json, --fidelity, --axes, --figure and --evidence go with one study")
    }
    if fidelity && isMore { throw ValidationError("--fidelity goes with --json alone") }
    if json && axes != nil && figure == nil { throw ValidationError("--axes goes with the table and with --figure") }
    if let figure, FrontFigure.Format(path: figure) == nil {
      let known = FrontFigure.Format.allCases.map { ".\($0.rawValue)" }.joined(separator: " or ")
      throw ValidationError("--figure writes files that end in \(known), not '\(figure)'")
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
    let report = try ReportBuilder.report(study, evidence: evidence, notes: ReportNotes.notes)
    let chosen = try axes != nil || figure != nil ? report.axes(axes) : nil
    let folder = html ? try ReportFiles.write(report, of: StudyAddress(study), to: output) : nil
    if let figure, let chosen { try ReportFiles.write(report, chosen, to: figure) }
    let places = [folder.map { "the report is in \($0)" }, figure.map { "the figure is in \($0)" }].compactMap(\.self)
    let kept = places.isEmpty ? nil : places.joined(separator: ", ")
    if json { return try Console.json(FrontJSON.data(report), kept: kept) }
    if axes != nil, let chosen {
      try Console.print(AxesTable.render(report, chosen), kept: kept)
    } else {
      try Console.print(ReportFiles.table(report), kept: kept)
    }
    if let folder { Console.note("report: \(folder)/report.html") }
    if let figure { Console.note("figure: \(figure)") }
  }
}
