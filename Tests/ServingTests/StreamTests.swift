import Checkpoints
import Foundation
import LanguageModels
import TestSupport
import Testing

@testable import Serving

/// Answers that are told while they are computed, and several choices for a prompt.
@Suite(.serialized) struct StreamTests {
  private func asked(_ name: String = "llama3-gqa") throws -> Asked { try Asked(Fixtures.model(name)) }

  /// The parts of each choice put together, and the events.
  private func joined(_ events: [String]) throws -> (choices: [Int: JSONValue], events: [JSONValue]) {
    #expect(events.last == "[DONE]")
    let documents = try events.dropLast().map(json)
    var choices: [Int: [JSONValue]] = [:]
    for document in documents {
      for choice in try some(document["choices"]?.array) {
        choices[try some(choice["index"]?.integer), default: []].append(choice)
      }
    }
    let whole = try choices.mapValues { parts -> JSONValue in
      #expect(parts.dropLast().allSatisfy { $0["finish_reason"] == .null })
      let told = parts.compactMap { $0["logprobs"] }.filter { $0 != .null }
      func all(_ key: String) throws -> JSONValue { .array(try told.flatMap { try some($0[key]?.array) }) }
      return [
        "index": parts[0]["index"] ?? .null, "finish_reason": try some(parts.last?["finish_reason"]),
        "text": .string(parts.map { $0["text"]?.string ?? "?" }.joined()),
        "logprobs": told.isEmpty
          ? .null
          : [
            "tokens": try all("tokens"), "token_logprobs": try all("token_logprobs"),
            "top_logprobs": try all("top_logprobs"), "text_offset": try all("text_offset"),
          ],
      ]
    }
    return (whole, documents)
  }

  /// What is streamed is what is answered at once, in more than one part.
  @Test(arguments: ["llama3-gqa", "mistral-gqa", "llama-mha"])
  func partsAreTheWhole(_ name: String) throws {
    let asked = try asked(name)
    defer { asked.service.stop() }
    for more in [
      #""temperature": 0"#, #""temperature": 1.5, "seed": 3, "n": 3"#,
      #""temperature": 1.2, "seed": 4, "logprobs": 2, "n": 2"#,
      #""temperature": 1, "seed": 5, "logprobs": 0, "echo": true, "n": 2"#,
      #""temperature": 1.4, "seed": 6, "echo": true, "stop": ["e", " th", "qu", "\n"]"#,
      #""temperature": 1.4, "seed": 7, "logprobs": 1, "stop": ["er", "in a", "x"]"#,
    ] {
      for most in [1, 24] {
        let body = #"{"prompt": ["The lamp was", "So"], "max_tokens": \#(most), \#(more)"#
        let whole = try asked.choices(body + "}")
        let (parts, events) = try joined(asked.events(body + #", "stream": true}"#))
        #expect(parts.count == whole.count && Set(events.map { $0["id"] }).count == 1)
        for (number, choice) in whole.enumerated() { #expect(parts[number] == choice, "\(more)") }
        #expect(events.allSatisfy { $0["object"]?.string == "text_completion" && $0["usage"] == nil })
        // Each token of a text without a stop is told as it comes, unless it is part of a character.
        if most > 1, more.contains("logprobs\": 0") { #expect(events.count > 2 * whole.count) }
      }
    }
  }

  @Test func usageIsToldAtTheEnd() throws {
    let asked = try asked()
    defer { asked.service.stop() }
    let body = #"{"prompt": "The lamp was", "max_tokens": 6, "temperature": 0, "n": 2"#
    let (_, events) = try joined(
      asked.events(body + #", "stream": true, "stream_options": {"include_usage": true}}"#))
    let whole = try asked.reply(body + "}").body
    #expect(try some(events.last)["usage"] == whole["usage"] && events.last?["choices"] == [])
    #expect(whole["usage"]?["completion_tokens"]?.integer == 12)
    #expect(events.dropLast().allSatisfy { $0["usage"] == .null })
  }

  /// Each choice draws its own numbers; the first is the only one of a request without `n`.
  @Test func choicesDiffer() throws {
    let asked = try asked()
    defer { asked.service.stop() }
    let body = #"{"prompt": ["The lamp", "So"], "max_tokens": 16, "temperature": 1.5, "seed": 7, "echo": true"#
    let choices = try asked.choices(body + #", "n": 4, "logprobs": 1}"#)
    #expect(choices.map { $0["index"]?.integer } == Array(0..<8))
    let texts = choices.map { $0["text"]?.string ?? "" }
    #expect(Set(texts).count == 8)
    #expect(texts[..<4].allSatisfy { $0.hasPrefix("The lamp") } && texts[4...].allSatisfy { $0.hasPrefix("So") })
    #expect(try asked.choices(body + "}")[0]["text"]?.string == texts[0])
    // All choices of a prompt have its log-probabilities.
    let told = try choices.map { try some($0["logprobs"]?["token_logprobs"]?.array?.prefix(3)) }
    #expect(told[..<4].allSatisfy { $0 == told[0] } && told[4] != told[0])
  }

  @Test func whatIsWrongIsToldBeforeAStream() throws {
    let asked = try asked()
    defer { asked.service.stop() }
    let reply = try asked.reply(#"{"prompt": "So", "stream": true, "max_tokens": 100000}"#)
    #expect(reply.status == 400)
  }

  /// Who has got parts of a stream gets what goes wrong as its last event.
  @Test func streamsMayEndWithAnError() throws {
    let found = Kept()
    let job = Job(.text(of: [])) { found.add($0) }
    job.send(["a": 1])
    job.answer(Reply(.unavailable("about to end", code: "shutting_down")))
    job.send(["a": 2])
    job.endStream()
    let events = found.text.components(separatedBy: "\n\n")
    #expect(events.count == 3 && events[0] == #"data: {"a":1}"# && events[2].isEmpty, "\(events)")
    #expect(events[1].hasPrefix("data: {\"error\":") && events[1].contains("shutting_down") && found.ends == 1)
  }

  /// Over a connection, which goes on with the next request; without chunks for clients of HTTP 1.0.
  @Test func streamsGoOverConnections() throws {
    let server = try CompletionServer(Fixtures.model(), name: "tiny")
    defer { server.stop() }
    let client = try #require(RawClient(port: server.port))
    let body = #"{"prompt": "The lamp", "max_tokens": 12, "temperature": 0, "stream": true}"#
    for _ in 0..<2 {
      client.post(body)
      let (status, head, text) = client.answer()
      #expect(status == 200 && head.contains("text/event-stream") && head.lowercased().contains("chunked"), "\(head)")
      #expect(text.hasSuffix("data: [DONE]\n\n") && text.components(separatedBy: "\n\n").count > 4, "\(text)")
    }
    let old = try #require(RawClient(port: server.port))
    old.send("POST /v1/completions HTTP/1.0\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body)
    let text = old.untilEnd()
    #expect(text.contains("Connection: close") && text.hasSuffix("data: [DONE]\n\n"), "\(text)")
  }

  /// A client that does not read is left before much of its stream lies in memory, and others are served.
  @Test func whoTakesNothingOfAStreamIsLeft() throws {
    var limits = ServingLimits.standard
    limits.streamBytes = 20_000
    let server = try CompletionServer(Fixtures.model(), name: "tiny", limits: limits)
    defer { server.stop() }
    let slow = try #require(RawClient(port: server.port, receiveBytes: 2048))
    // More than the system keeps for a connection.
    slow.post(
      #"{"prompt": ["So", "The", "A", "It"], "n": 32, "max_tokens": 200, "temperature": 1, "logprobs": 3, "stream": true}"#
    )
    let other = try #require(RawClient(port: server.port))
    other.post(#"{"prompt": "The lamp", "max_tokens": 4, "temperature": 0}"#)
    #expect(other.answer().status == 200)
    #expect(!slow.untilEnd().contains("[DONE]"))
  }
}

/// What was delivered, by any thread.
private final class Kept: @unchecked Sendable {
  private let lock = NSLock()
  private(set) var text = ""
  private(set) var ends = 0

  func add(_ delivery: Delivery) {
    lock.withLock {
      switch delivery {
      case .events(let data): text += String(decoding: data, as: UTF8.self)
      case .end: ends += 1
      case .reply: text += "a reply"
      }
    }
  }
}
