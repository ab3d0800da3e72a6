import Foundation
import NIOCore
import NIOHTTP1

/// One client's connection: collects a request within the limits, answers it, and goes on with the next.
///
/// All of it happens on the connection's event loop.
final class Connection: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private enum State {
    /// Nothing of a request has come.
    case idle
    /// The beginning of a request's head has come.
    case head
    case body(HTTPRequestHead, Service.Route, ByteBuffer)
    /// The worker has the job.
    case answering(HTTPRequestHead, Job?)
    /// The client was refused before all of its request had come: the rest is dropped.
    case draining
    case closed
  }

  private let service: Service
  /// Why nothing is served here, if there are too many connections.
  private let refusal: RequestProblem?
  private var state = State.idle
  private var context: ChannelHandlerContext?
  private var deadline: Scheduled<Void>?
  /// Bytes of a request whose head is not complete.
  private var headBytes = 0
  /// Bytes of the stream that is being answered which the client has not taken yet; `nil` if there is none.
  private var unsent: Int?
  /// Requests so far, so that an answer that comes late is not taken for another's.
  private var request = 0
  /// Sends bytes as they are.
  fileprivate var sendBytes: ((ByteBuffer) -> Void)?
  private var limits: ServingLimits { service.limits }

  /// - Parameter refusal: what every request gets.
  init(_ service: Service, refusal: RequestProblem?) { (self.service, self.refusal) = (service, refusal) }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    wait(limits.idleSeconds) { $0.close() }
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    if case .answering(_, let job?) = state { job.abandon() }
    deadline?.cancel()
    state = .closed
    context.fireChannelInactive()
  }

  private func close() { context?.close(promise: nil) }

  /// Whether no more than the limit has come of a head that is not complete.
  fileprivate func checkHead() {
    guard case .head = state, headBytes > limits.headBytes else { return }
    refuseBytes(longHead)
  }

  /// Bytes of the next request have come.
  fileprivate func bytesCame(_ count: Int) {
    if case .head = state { headBytes += count }
    guard case .idle = state else { return }
    (state, headBytes) = (.head, count)
    wait(limits.readSeconds) { connection in
      switch connection.state {
      // No request is known that the codec could answer.
      case .head: connection.refuseBytes(connection.tooSlow)
      default: connection.refuse(connection.tooSlow)
      }
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (unwrapInboundIn(data), state) {
    case (.head(let head), .idle), (.head(let head), .head): begin(head)
    case (.body(var part), .body(let head, let route, var bytes)):
      guard bytes.readableBytes + part.readableBytes <= limits.bodyBytes else { return refuse(tooLarge) }
      // Else the buffer would be copied for every part.
      state = .draining
      bytes.writeBuffer(&part)
      state = .body(head, route, bytes)
    case (.end, .body(let head, let route, let bytes)): answer(head, route, bytes)
    case (.end, .draining): close()
    default: break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch (error, state) {
    case (_, .closed), (_, .draining): break
    case (HTTPParserError.headerOverflow, _): refuse(longHead)
    case (let error as HTTPParserError, _): refuse(RequestProblem(400, .invalid, "this is not HTTP: \(error)"))
    default: close()
    }
  }

  // MARK: Requests

  private var tooLarge: RequestProblem {
    RequestProblem(413, .invalid, "the body of a request has at most \(limits.bodyBytes) bytes")
  }

  private var longHead: RequestProblem {
    RequestProblem(431, .invalid, "the head of a request has at most \(limits.headBytes) bytes")
  }

  private var tooSlow: RequestProblem {
    RequestProblem(408, .invalid, "the request did not come within \(limits.readSeconds) seconds")
  }

  private func begin(_ head: HTTPRequestHead) {
    bytesCame(0)
    request += 1
    if let refusal { return refuse(refusal) }
    if head.bytes > limits.headBytes { return refuse(longHead) }
    do throws(RequestProblem) {
      let route = try service.route(method: head.method.rawValue, target: head.uri)
      let length = head.headers.first(name: "content-length").map { Int($0) ?? .max } ?? 0
      if length > limits.bodyBytes { throw tooLarge }
      // What is announced need not come: memory is taken as it does.
      state = .body(head, route, ByteBuffer())
      if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
        context?.writeAndFlush(wrapOutboundOut(.head(.init(version: head.version, status: .continue))), promise: nil)
      }
    } catch {
      refuse(error, allow: error.status == 405 ? Service.Route(head.uri)?.method : nil)
    }
  }

  private func answer(_ head: HTTPRequestHead, _ route: Service.Route, _ bytes: ByteBuffer) {
    guard let loop = context?.eventLoop else { return }
    deadline?.cancel()
    state = .answering(head, nil)
    let (own, number) = (NIOLoopBound(self, eventLoop: loop), request)
    let (job, reply) = bytes.withUnsafeReadableBytes { body in
      service.answer(route, body: body) { delivery in
        loop.execute { own.value.deliver(delivery, toRequest: number) }
      }
    }
    if let job { state = .answering(head, job) }
    if let reply { send(reply, toRequest: number) }
  }

  // MARK: Answers

  private func deliver(_ delivery: Delivery, toRequest number: Int) {
    guard number == request, case .answering(let head, _) = state, let context else { return }
    switch delivery {
    case .reply(let reply): send(reply, toRequest: number)
    case .events(let data): send(data, head, context)
    case .end:
      unsent = nil
      finish(goesOn: head.isKeepAlive && head.isChunked, number, context) {
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)))
      }
    }
  }

  private func send(_ reply: Reply, toRequest number: Int) {
    guard number == request, case .answering(let head, _) = state, let context else { return }
    finish(goesOn: head.isKeepAlive, number, context) { write(reply, isLast: !head.isKeepAlive, context) }
  }

  /// Writes the end of an answer, and goes on with the next request or closes the connection.
  private func finish(
    goesOn: Bool, _ number: Int, _ context: ChannelHandlerContext, write: () -> EventLoopFuture<Void>
  ) {
    let own = NIOLoopBound(self, eventLoop: context.eventLoop)
    // A request that has come meanwhile follows within the write.
    state = goesOn ? .idle : .draining
    wait(limits.writeSeconds) { $0.close() }
    write().whenComplete { result in
      if case .success = result, goesOn { own.value.goOn(afterRequest: number) } else { own.value.close() }
    }
  }

  /// Sends a part of a stream. A client that takes too little of it is left: what it does not take lies in memory.
  private func send(_ events: Data, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    if unsent == nil {
      var headers = HTTPHeaders([("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")])
      if !head.isKeepAlive || !head.isChunked { headers.add(name: "Connection", value: "close") }
      context.write(wrapOutboundOut(.head(.init(version: head.version, status: .ok, headers: headers))), promise: nil)
    }
    let before = unsent ?? 0
    unsent = before + events.count
    guard before + events.count <= limits.streamBytes else { return close() }
    if before == 0 { wait(limits.writeSeconds) { $0.close() } }
    let (own, number) = (NIOLoopBound(self, eventLoop: context.eventLoop), request)
    context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: events))))).whenSuccess {
      own.value.clientTook(events.count, ofRequest: number)
    }
  }

  private func clientTook(_ count: Int, ofRequest number: Int) {
    guard number == request, case .answering = state, let before = unsent else { return }
    unsent = before - count
    if before == count { deadline?.cancel() } else { wait(limits.writeSeconds) { $0.close() } }
  }

  private func goOn(afterRequest number: Int) {
    guard number == request, case .idle = state else { return }
    wait(limits.idleSeconds) { $0.close() }
  }

  /// Answers before all of the request has come, and closes the connection once it has.
  private func refuse(_ problem: RequestProblem, allow: String? = nil) {
    guard let context else { return }
    state = .draining
    var reply = Reply(problem, retrySeconds: limits.retrySeconds)
    if let allow { reply.headers.append(("Allow", allow)) }
    wait(limits.drainSeconds) { $0.close() }
    _ = write(reply, isLast: true, context)
  }

  /// The same before the codec knows of a request.
  private func refuseBytes(_ problem: RequestProblem) {
    state = .draining
    let (body, status) = (Reply(problem).body, HTTPResponseStatus(statusCode: problem.status))
    var bytes = ByteBuffer(
      string: "HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n")
    bytes.writeBytes(body)
    sendBytes?(bytes)
    wait(limits.drainSeconds) { $0.close() }
  }

  private func write(_ reply: Reply, isLast: Bool, _ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
    var headers = HTTPHeaders([("Content-Type", "application/json"), ("Content-Length", "\(reply.body.count)")])
    for (name, value) in reply.headers { headers.add(name: name, value: value) }
    if isLast { headers.add(name: "Connection", value: "close") }
    let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: reply.status), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: reply.body)))), promise: nil)
    return context.writeAndFlush(wrapOutboundOut(.end(nil)))
  }

  /// Does something after so many seconds if nothing else is waited for by then.
  private func wait(_ seconds: Int, _ late: @escaping (Connection) -> Void) {
    guard let loop = context?.eventLoop else { return }
    deadline?.cancel()
    let own = NIOLoopBound((self, late), eventLoop: loop)
    deadline = loop.scheduleTask(in: .seconds(Int64(seconds))) { own.value.1(own.value.0) }
  }
}

extension HTTPRequestHead {
  /// Whether the client knows answers that come in chunks; to another one the end of the connection is that of the answer.
  fileprivate var isChunked: Bool { (version.major, version.minor) >= (1, 1) }

  /// Bytes that it takes as it is usually written.
  fileprivate var bytes: Int {
    let line = method.rawValue.utf8.count + uri.utf8.count + " HTTP/1.1\r\n".utf8.count + 1
    return headers.reduce(line + 2) { $0 + $1.name.utf8.count + ": ".utf8.count + $1.value.utf8.count + 2 }
  }
}

/// Tells a connection of bytes before they are a request: else a head might be of any length, and come byte by byte in any time.
final class ByteWatch: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let connection: Connection

  init(_ connection: Connection) { self.connection = connection }

  func handlerAdded(context: ChannelHandlerContext) {
    connection.sendBytes = { context.writeAndFlush(self.wrapOutboundOut($0), promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) { connection.sendBytes = nil }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.bytesCame(unwrapInboundIn(data).readableBytes)
    context.fireChannelRead(data)
    connection.checkHead()
  }
}
