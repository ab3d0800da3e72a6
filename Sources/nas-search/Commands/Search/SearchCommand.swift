import ArgumentParser
import Checkpoints
import Pipeline
import Reports
import Studies

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Search the best subnets of a model (the default command).")

  @OptionGroup var options: SearchOptions
  @Option(help: "Evaluations (200), time (30m, 2h), or both (200,30m): whichever ends first. Earlier runs count.")
  var budget: BudgetArgument
  @Option(help: "Folder of the study, or postgresql://…#NAME; made, or resumed. Default: runs/MODEL-SPACE.")
  var study: String?
  @Option(help: "Folder for calibration statistics (several hundred MB a model).", transform: LocalPath.checked)
  var cache: String?
  @OptionGroup var plannedMemory: MemoryOption
  @Flag(help: "Let workers take part (see 'worker'); a study on a server always does.") var shared = false
  @OptionGroup var sharing: SharingOptions
  @Flag(help: "Leave all evaluations to workers.") var onlyWorkers = false
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if study?.isEmpty ?? false { throw ValidationError("--study is empty") }
  }

  func run() throws {
    let context = plannedMemory.context(cache: cache)
    Interrupt.install()
    let folder = study ?? options.defaultStudy
    let address = try StudyAddress(folder)
    var request = SearchRequest(try options.settings(), study: folder, budget: budget.budget)
    if shared || onlyWorkers || address.folder == nil {
      request.sharing = sharing.request
      request.sharing?.evaluates = !onlyWorkers
    }
    if !json { Console.note("study: \(address)") }
    try ReportFiles.check(address, to: nil)
    let outcome = try ProgressDisplay.during(quiet: json, SearchJob(request, in: context).run)
    if outcome == .stopped { return stopped(request.settings, address) }
    let report = try ReportBuilder.report(folder, notes: ReportNotes.notes)
    let written = try ReportFiles.write(report, of: address, to: nil)
    let kept = "the study is complete in \(address)"
    if json { return try Console.json(FrontJSON.data(report), kept: kept) }
    try Console.print(ReportFiles.table(report), kept: kept)
    Console.note("report: \(written)/report.html")
    Console.note(
      "export: nas-search export \(ShellWord.quoted("\(address)")) --point best --format hf --output OUT")
  }

  private func stopped(_ settings: SearchSettings, _ address: StudyAddress) {
    Console.note("stopped; the same command goes on where this ended:")
    Console.note("  " + ReportBuilder.command(settings, "\(address)", budget: budget.budget, cache: cache))
  }
}
