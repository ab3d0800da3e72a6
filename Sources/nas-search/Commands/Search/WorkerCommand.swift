import ArgumentParser
import Pipeline

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
  @Option(help: "Seconds to wait for the study to appear.") var wait = WorkerRequest.standard.patience
  @Option(help: "Folder for calibration statistics (several hundred MB a model).", transform: LocalPath.checked)
  var cache: String?
  @OptionGroup var plannedMemory: MemoryOption

  func validate() throws { try UsageError.check { try request.validate() } }

  private var request: WorkerRequest {
    var request = WorkerRequest(study: study)
    (request.model, request.sharing, request.patience) = (model, sharing.request, wait)
    return request
  }

  func run() throws {
    let context = plannedMemory.context(cache: cache)
    Interrupt.install()
    let outcome = try ProgressDisplay.during(quiet: false, WorkerJob(request, in: context).run)
    Console.note(outcome == .searchComplete ? "the search is complete" : "stopped")
  }
}
