import ArgumentParser
import Foundation
import Pipeline

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve a checkpoint or a study's point to programs that speak the completions protocol, until Ctrl-C.")
  private static let standard = ServeRequest.standard

  @OptionGroup var taken: SourceOptions
  @Option(help: "Name of the model for clients. Default: that of its folder or file, or of study and point.")
  var name: String?
  @Option(help: "Address to listen at. Whoever reaches it may use the model.") var host = standard.host
  @Option(help: "Port to listen at; 0 takes one that is free.") var port = standard.port
  @OptionGroup var plannedMemory: MemoryOption

  func validate() throws { try UsageError.check { try request.validate() } }

  private var request: ServeRequest {
    var request = ServeRequest(taken.source)
    (request.name, request.host, request.port) = (name, host, port)
    return request
  }

  func run() throws {
    Interrupt.install()
    let serving: ServeJob.Serving
    do {
      serving = try ProgressDisplay.during(
        quiet: false, ServeJob(request, in: plannedMemory.context(cache: taken.cache)).run)
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
