import Foundation
import LanguageModels
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A server that speaks the completions protocol for one model.
public final class CompletionServer: Sendable {
  /// Connections beyond the limit that are told to come back, for each that is served; more are closed at once.
  private static let refused = 3

  private let service: Service
  private let group: MultiThreadedEventLoopGroup
  private let channel: any Channel
  private let connections: Connections

  /// Where it listens.
  public let host: String
  public let port: Int

  /// Begins to serve.
  ///
  /// - Parameters:
  ///   - name: name of the model for clients.
  ///   - host: address of this machine to listen at.
  ///   - port: 0 for any that is free.
  /// - Throws: `ServingError` where it cannot listen; `TokenizerError` for a model without a tokenizer.
  public init(
    _ model: LanguageModel, name: String, host: String = "127.0.0.1", port: Int = 0, limits: ServingLimits = .standard
  ) throws {
    // One thread is enough for what clients send: the cores are for the model.
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let service: Service
    do { service = try Service(model, name: name, limits) } catch {
      try? group.syncShutdownGracefully()
      throw error
    }
    let connections = Connections()
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try Self.serve(channel, service, connections) }
      }
    do {
      channel = try bootstrap.bind(host: host, port: port).wait()
    } catch {
      service.stop()
      try? group.syncShutdownGracefully()
      throw ServingError.cannotListen(host: host, port: port, reason: Self.reason(error))
    }
    (self.service, self.group, self.connections, self.host) = (service, group, connections, host)
    self.port = channel.localAddress?.port ?? port
  }

  private static func serve(_ channel: any Channel, _ service: Service, _ connections: Connections) throws {
    let limits = service.limits
    let open = connections.begin(channel)
    channel.closeFuture.whenComplete { _ in connections.end(channel) }
    // An error closes the connection.
    guard open <= limits.connections * (1 + refused) else { throw ChannelError.ioOnClosedChannel }
    let refusal: RequestProblem? =
      open <= limits.connections
      ? nil
      : .unavailable(
        "\(limits.connections) connections are open already; come back later", code: "too_many_connections")
    let connection = Connection(service, refusal: refusal)
    let pipeline = channel.pipeline.syncOperations
    try pipeline.addHandler(ByteWatch(connection))
    try pipeline.configureHTTPServerPipeline(withErrorHandling: false)
    try pipeline.addHandler(connection)
  }

  private static func reason(_ error: any Error) -> String {
    let allowed =
      "; the host is an address or a name of this machine: 127.0.0.1 or ::1 for programs on it, 0.0.0.0 or :: for whoever reaches it"
    guard let error = error as? IOError else {
      // All else is of the search for the name.
      return "no address is known for this name" + allowed
    }
    return String(cString: strerror(error.errnoCode)) + (error.errnoCode == EADDRNOTAVAIL ? allowed : "")
  }

  /// Ends: nobody is listened to any longer, who waits is told so, and what is being computed is left.
  public func stop() {
    try? channel.close().wait()
    service.stop()
    // The answers that have just been given go out first.
    connections.closeAll(after: .milliseconds(200), group)
    try? group.syncShutdownGracefully()
  }
}

/// What keeps a server from its work.
public enum ServingError: Error, Equatable, CustomStringConvertible {
  case cannotListen(host: String, port: Int, reason: String)

  public var description: String {
    switch self {
    case .cannotListen(let host, let port, let reason): "cannot listen at \(host), port \(port): \(reason)"
    }
  }
}

/// The connections that are open.
private final class Connections: Sendable {
  private let open = Mutex<[ObjectIdentifier: any Channel]>([:])

  /// - Returns: how many are open, with this one.
  func begin(_ channel: any Channel) -> Int {
    open.withLock { open in
      open[ObjectIdentifier(channel)] = channel
      return open.count
    }
  }

  func end(_ channel: any Channel) { open.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(channel)) } }

  func closeAll(after delay: TimeAmount, _ group: MultiThreadedEventLoopGroup) {
    let channels = open.withLock { Array($0.values) }
    if channels.isEmpty { return }
    try? group.next().scheduleTask(in: delay) { for channel in channels { channel.close(promise: nil) } }.futureResult
      .wait()
  }
}
