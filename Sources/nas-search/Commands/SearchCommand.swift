import ArgumentParser
import Foundation
import Pipeline

struct SearchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Search the best subnets of a model (the default command).")

  @OptionGroup var options: SearchOptions
  @Option(help: "Evaluations (200), time (30m, 2h), or both (200,30m): whichever ends first. Earlier runs count.")
  var budget: BudgetArgument
  @Option(help: "Folder of the study; made, or resumed. Default: results/MODEL-SPACE.") var study: String?
  @Option(help: "Folder for calibration statistics (several hundred MB a model).") var cache: String?
  @Option(
    help:
      "Memory for repaired layers and candidates in flight, such as 4GiB; less is slower. Default: half of the machine's."
  )
  var memoryLimit: AmountArgument?
  @Flag(help: "Print the result as JSON.") var json = false

  func validate() throws {
    if study?.isEmpty ?? false { throw ValidationError("--study is empty") }
  }

  func run() throws {
    Interrupt.install()
    let settings = try options.settings()
    let folder = study ?? options.defaultStudy
    let display = ProgressDisplay(quiet: json)
    if !json { Console.note("study: \(folder)") }
    let session: SearchSession
    do {
      session = try SearchSession(
        settings, directory: URL(fileURLWithPath: folder), cache: CacheFolder.url(cache),
        memoryLimit: memoryLimit?.value, toolVersion: NASSearch.version, isStopped: { Interrupt.requested },
        report: display.show)
    } catch is CancellationError {
      display.finish()
      return stopped(settings, folder)
    }
    let complete = try session.run(budget.budget, isStopped: { Interrupt.requested }, report: display.show)
    display.finish()
    try session.close()
    if !complete { return stopped(settings, folder) }
    let report = try ReportFiles.write(folder)
    if json { return Console.json(ReportFiles.json(report)) }
    Console.print(ReportFiles.table(report))
    Console.note("report: \(folder)/report.html")
    Console.note(
      "export: nas-search export \(ReportBuilder.quoted(folder)) --point best --format hf --output OUT")
  }

  private func stopped(_ settings: SearchSettings, _ folder: String) {
    Console.note("stopped; the same command goes on where this ended:")
    Console.note("  " + ReportBuilder.command(settings, folder, budget: budget.budget, cache: cache))
  }
}
