import ArgumentParser
import Foundation
import Pipeline
import Reformation

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a checkpoint or a study's point to programs that speak the completions protocol, until Ctrl-C.")
  private static let standard = ServeRequest.standard

  @Option(
    help: "A Hugging Face folder or a .gguf file; with --study its parent, where it has moved since the search.",
    transform: LocalPath.checked)
  var model: String?
  @Option(help: "Serve a point of this study without exporting it: a folder, or postgresql://…#NAME.")
  var study: String?
  @Option(help: "With --study: best, knee, or the number of a point. Default: \(ExportRequest.standard.point).")
  var point: String?
  @Option(
    help:
      "With --study: correction of the point's weights, as for export. Default: \(ExportRequest.standard.repair.rawValue)."
  )
  var repair: Repair?
  @Option(help: "Name of the model for clients. Default: that of its folder or file, or of study and point.")
  var name: String?
  @Option(help: "Address to listen at. Whoever reaches it may use the model.") var host = standard.host
  @Option(help: "Port to listen at; 0 takes one that is free.") var port = standard.port
  @Option(help: "Folder for calibration statistics.", transform: LocalPath.checked) var cache: String?
  @OptionGroup var plannedMemory: MemoryOption

  func validate() throws {
    if model == nil, study == nil { throw ValidationError("there is nothing to serve: give --model or --study") }
    for (option, isGiven) in [("--point", point != nil), ("--repair", repair != nil)] where isGiven && study == nil {
      throw ValidationError("\(option) goes with --study")
    }
    try UsageError.check { try request.validate() }
  }

  private var request: ServeRequest {
    var request = ServeRequest(.checkpoint(model ?? ""))
    if let study {
      var wanted = ExportRequest(study: study, outputs: [])
      (wanted.point, wanted.repair, wanted.model) = (point ?? wanted.point, repair ?? wanted.repair, model)
      request.source = .point(wanted)
    }
    (request.name, request.host, request.port) = (name, host, port)
    return request
  }

  func run() throws {
    Interrupt.install()
    let serving: ServeJob.Serving
    do {
      serving = try ProgressDisplay.during(quiet: false, ServeJob(request, in: plannedMemory.context(cache: cache)).run)
    } catch is CancellationError {
      throw ExitCode(128 + SIGINT)
    }
    let server = serving.server
    defer { server.stop() }
    let host = server.host.contains(":") ? "[\(server.host)]" : server.host
    try Console.print("serving \(serving.name) at http://\(host):\(server.port)/v1/completions; Ctrl-C ends it")
    while !Interrupt.requested { usleep(50_000) }
    Console.note("ending")
  }
}
