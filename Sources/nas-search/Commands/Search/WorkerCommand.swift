import ArgumentParser
import Foundation
import Pipeline
import Studies

struct WorkerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Evaluate candidates of a study that another process searches.",
    discussion: """
      Any number of workers, on any machines that reach the study's PostgreSQL server, or on one machine where the study is \
      a folder (searched with --shared). They may come, go and die at any time; a worker ends when the search does.
      """)

  @Argument(help: "Folder of the study, or postgresql://…#NAME.") var study: String
  @Option(
    help: "The model, where it is not where the study remembers it; compared by hash.", transform: LocalPath.checked)
  var model: String?
  @OptionGroup var sharing: SharingOptions
  @Option(help: "Seconds to wait for the study to appear.") var wait = 0.0
  @Option(help: "Folder for calibration statistics (several hundred MB a model).", transform: LocalPath.checked)
  var cache: String?
  @OptionGroup var plannedMemory: MemoryOption

  func validate() throws {
    if study.isEmpty { throw ValidationError("the study's address is empty") }
    if !(wait >= 0) { throw ValidationError("--wait must not be negative") }
  }

  func run() throws {
    let memory = plannedMemory.plan(cache: CacheFolder.url(cache))
    Interrupt.install()
    let display = ProgressDisplay(quiet: false)
    let session: WorkerSession
    do {
      session = try WorkerSession(
        StudyAddress(study), model: model, cache: CacheFolder.url(cache), sharing: sharing.sharing(), patience: wait,
        memory: memory, monitor: display.monitor)
    } catch is CancellationError {
      display.finish()
      return Console.note("stopped")
    }
    display.finish()
    Console.note("working for \(session.study)")
    let outcome = try session.run(
      display.monitor, evaluated: { Console.note("\($0) candidates evaluated") },
      idle: { Console.note("no candidates for \($0) s; is a search of this study going on?") })
    try session.close()
    Console.note(outcome == .searchComplete ? "the search is complete" : "stopped")
  }
}
