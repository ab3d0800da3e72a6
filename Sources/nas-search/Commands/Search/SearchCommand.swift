import ArgumentParser
import Checkpoints
import Foundation
import Pipeline
import Studies

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Search the best subnets of a model (the default command).")

  @OptionGroup var options: SearchOptions
  @Option(help: "Evaluations (200), time (30m, 2h), or both (200,30m): whichever ends first. Earlier runs count.")
  var budget: BudgetArgument
  @Option(help: "Folder of the study, or postgresql://…#NAME; made, or resumed. Default: results/MODEL-SPACE.")
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
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    Interrupt.install()
    let settings = try options.settings()
    let folder = study ?? options.defaultStudy
    let address = try StudyAddress(folder)
    let isShared = shared || onlyWorkers || address.folder == nil
    let display = ProgressDisplay(quiet: json)
    if !json { Console.note("study: \(address)") }
    try ReportFiles.check(address, to: nil)
    let session: SearchSession
    do {
      session = try SearchSession(
        settings, at: address, budget: budget.budget, cache: CacheFolder.url(cache),
        toolVersion: NASSearch.version, isShared: isShared, memory: memory,
        monitor: display.monitor)
    } catch is CancellationError {
      display.finish()
      return stopped(settings, address)
    }
    let complete = try session.run(
      budget.budget, sharing: isShared ? sharing.sharing(evaluates: !onlyWorkers) : nil,
      monitor: display.monitor)
    display.finish()
    try session.close()
    if !complete { return stopped(settings, address) }
    let report = try ReportBuilder.report(folder, notes: ReportNotes.notes)
    let written = try ReportFiles.write(report, of: address, to: nil)
    let kept = "the study is complete in \(address)"
    if json { return try Console.json(ReportFiles.json(report), kept: kept) }
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
