import Foundation
import TestSupport
import Testing

@testable import Serving

/// Connections, and what clients do with them that servers should not fall for.
@Suite(.serialized) struct ServerTests {
  private static let good = #"{"prompt": "The lamp", "max_tokens": 4, "temperature": 0}"#

  private func serving(_ limits: ServingLimits = .standard, _ body: (_ port: Int) throws -> Void) throws {
    let server = try CompletionServer(Fixtures.model(), name: "tiny", limits: limits)
    defer { server.stop() }
    try body(server.port)
  }

  private func limits(_ change: (inout ServingLimits) -> Void) -> ServingLimits {
    var limits = ServingLimits.standard
    change(&limits)
    return limits
  }

  private func client(_ port: Int) throws -> RawClient { try #require(RawClient(port: port)) }

  @Test func whoIsSlowIsRefused() throws {
    try serving(limits { ($0.readSeconds, $0.drainSeconds) = (1, 1) }) { port in
      let head = try client(port)
      head.send("POST /v1/completions HTTP/1.1\r\nHos")
      let body = try client(port)
      body.send("POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: 90\r\n\r\n{")
      for slow in [head, body] {
        let (status, head, text) = slow.answer()
        #expect(status == 408 && head.contains("Connection: close") && text.contains("within 1 seconds"))
        // And then the connection ends.
        #expect(slow.answer().status == 0)
      }
      let other = try client(port)
      other.post(Self.good)
      #expect(other.answer().status == 200)
    }
  }

  @Test func idleConnectionsEnd() throws {
    try serving(limits { $0.idleSeconds = 1 }) { port in
      let new = try client(port)
      #expect(new.answer().status == 0)
      let used = try client(port)
      used.post(Self.good)
      #expect(used.answer().status == 200)
      #expect(used.answer().status == 0)
    }
  }

  @Test func connectionsAreCounted() throws {
    try serving(limits { ($0.connections, $0.retrySeconds) = (2, 7) }) { port in
      var open = try (0..<2).map { _ in try client(port) }
      for one in open {
        one.post(Self.good)
        #expect(one.answer().status == 200)
      }
      let third = try client(port)
      third.post(Self.good)
      let (status, head, body) = third.answer()
      #expect(status == 503 && head.contains("Retry-After: 7") && body.contains("too_many_connections"))
      // Far beyond, nobody is told anything.
      let waiting = try (0..<8).map { _ in try client(port) }
      let statuses = waiting.map { one in
        one.post(Self.good)
        return one.answer().status
      }
      #expect(statuses.allSatisfy { $0 == 503 || $0 == 0 } && statuses.contains(0), "\(statuses)")
      open.removeAll()
      // The places are free as soon as the server has seen it.
      var served = 0
      for _ in 0..<200 where served != 200 {
        let next = try client(port)
        next.post(Self.good)
        served = next.answer().status
        if served != 200 { usleep(20_000) }
      }
      #expect(served == 200)
    }
  }

  /// A head that is not complete has a limit, and so have the bodies of all routes.
  @Test func longHeadsAreRefused() throws {
    try serving(limits { ($0.headBytes, $0.bodyBytes, $0.drainSeconds) = (2000, 100, 1) }) { port in
      let long = try client(port)
      long.send(
        "GET /health HTTP/1.1\r\n" + String(repeating: "X-More: \(String(repeating: "x", count: 90))\r\n", count: 30))
      #expect(long.answer().status == 431)
      let exact = try client(port)
      exact.send("GET /health HTTP/1.1\r\nX-More: \(String(repeating: "x", count: 1000))\r\n\r\n")
      #expect(exact.answer().status == 200)
      // Whole at once, and a little too long.
      let once = try client(port)
      once.send("GET /health HTTP/1.1\r\nX-More: \(String(repeating: "x", count: 1970))\r\n\r\n")
      let (status, _, body) = once.answer()
      #expect(status == 431 && body.contains("at most 2000 bytes"))
      for path in ["/v1/completions", "/tokenize", "/detokenize"] {
        let large = try client(port)
        large.post(String(repeating: " ", count: 101), to: path)
        #expect(large.answer().status == 413)
      }
    }
  }

  /// What is waited for when the server ends is refused with a word, and nothing keeps the server.
  @Test func whoWaitsIsToldOfTheEnd() throws {
    let server = try CompletionServer(Fixtures.model(), name: "tiny")
    let long = #"{"prompt": ["So", "The", "A"], "max_tokens": 200, "temperature": 1}"#
    let clients = try (0..<12).map { _ in try client(server.port) }
    for one in clients { one.post(long) }
    // One answer shows that the server has begun.
    let first = clients[0].answer().status
    server.stop()
    let rest = clients.dropFirst().map { $0.answer().status }
    #expect(first == 200 && rest.allSatisfy { [200, 503].contains($0) }, "\(rest)")
    #expect(RawClient(port: server.port) == nil)
  }

  @Test func continueIsSaid() throws {
    try serving { port in
      let one = try client(port)
      one.send(
        "POST /v1/completions HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: \(Self.good.utf8.count)\r\n\r\n"
      )
      #expect(one.answer().status == 100)
      one.send(Self.good)
      #expect(one.answer().status == 200)
    }
  }
}
