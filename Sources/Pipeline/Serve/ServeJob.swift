import Foundation
import LanguageModels
import Runtime
import Serving

/// A model that is to be served.
public struct ServeRequest: Sendable {
  public var source: ModelSource
  /// Its name for clients; `nil` for that of the folder or file, or of study and point.
  public var name: String?
  public var host = Self.localHost
  /// 0 for any that is free.
  public var port = 8000
  public var limits = ServingLimits.standard

  /// Characters that break a line, or steer a terminal.
  private static let breaking: Set<Unicode.GeneralCategory> = [.control, .lineSeparator, .paragraphSeparator]

  static let localHost = "127.0.0.1"

  public static let standard = ServeRequest(.checkpoint(""))

  public init(_ source: ModelSource) { self.source = source }

  /// - Throws: `PipelineError.invalidOption`.
  public func validate() throws {
    try PipelineError.require((0...65_535).contains(port), "--port is 0 to 65535")
    try PipelineError.require(!host.isEmpty, "--host is empty")
    try PipelineError.require(!clientName.isEmpty, "--name is empty")
    try PipelineError.require(
      clientName.unicodeScalars.allSatisfy { !Self.breaking.contains($0.properties.generalCategory) },
      "the name of the model for clients, \(clientName.debugDescription), has a line break or a control character: "
        + "give --name another one")
    try source.validate()
  }

  /// What others than this machine may do, in words; `nil` if they cannot reach it.
  public var warning: String? {
    if [Self.localHost, "::1", "localhost"].contains(host) { return nil }
    return "whoever reaches \(host) may use the model: the server asks for no password and encrypts nothing"
  }

  var clientName: String {
    if let name { return name }
    switch source {
    case .checkpoint(let path):
      let url = URL(fileURLWithPath: path).standardizedFileURL
      return (url.pathExtension.lowercased() == "gguf" ? url.deletingPathExtension() : url).lastPathComponent
    case .point(let request): return URL(fileURLWithPath: request.study).lastPathComponent + "-" + request.point
    }
  }
}

/// Opens a model and serves it.
public struct ServeJob {
  /// A model that is served.
  public struct Serving: Sendable {
    public let server: CompletionServer
    /// The model's name for clients.
    public let name: String
  }

  private let request: ServeRequest
  private let context: JobContext

  public init(_ request: ServeRequest, in context: JobContext) { (self.request, self.context) = (request, context) }

  /// Begins to serve; whoever asked stops the server.
  public func run(_ monitor: Monitor = .silent) throws -> Serving {
    try request.validate()
    if let warning = request.warning { monitor.tell(JobWarning(text: warning)) }
    let model = try request.source.opened(in: context, monitor).network(monitor)
    let server = try CompletionServer(
      model, name: request.clientName, host: request.host, port: request.port, limits: request.limits)
    return Serving(server: server, name: request.clientName)
  }
}
