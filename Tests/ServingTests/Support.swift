import Checkpoints
import Foundation
import LanguageModels
import Synchronization

@testable import Serving

enum Fixtures {
  static func model(_ name: String = "llama3-gqa") throws -> LanguageModel {
    try LanguageModel(
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures/models/\(name)"))
  }
}

struct Missing: Error {}

/// - Throws: `Missing` instead of a crash where something is not there.
func some<Value>(_ value: Value?) throws -> Value {
  guard let value else { throw Missing() }
  return value
}

func json(_ text: String) throws -> JSONValue { try JSONValue.parse(text, file: "the test") }

/// What a service answers to bodies of requests, without a network.
struct Asked {
  let service: Service

  init(_ model: LanguageModel, limits: ServingLimits = .standard) throws {
    service = try Service(model, name: "tiny", limits)
  }

  /// The answers of requests that wait together.
  func replies(_ bodies: [String], to target: String = "/v1/completions") throws -> [Reply] {
    let group = DispatchGroup()
    let found = Mutex([Int: Reply]())
    for (number, body) in bodies.enumerated() {
      let route = try service.route(method: "POST", target: target)
      group.enter()
      let (_, reply) = Data(body.utf8).withUnsafeBytes { bytes in
        service.answer(route, body: bytes) { delivery in
          guard case .reply(let reply) = delivery else { return }
          found.withLock { $0[number] = reply }
          group.leave()
        }
      }
      if let reply {
        found.withLock { $0[number] = reply }
        group.leave()
      }
    }
    group.wait()
    return try bodies.indices.map { number in try some(found.withLock { $0[number] }) }
  }

  /// The events of a stream.
  func events(_ body: String) throws -> [String] {
    let ended = DispatchSemaphore(value: 0)
    let found = Mutex("")
    let route = try service.route(method: "POST", target: "/v1/completions")
    let (_, reply) = Data(body.utf8).withUnsafeBytes { bytes in
      service.answer(route, body: bytes) { delivery in
        switch delivery {
        case .events(let data): found.withLock { $0 += String(decoding: data, as: UTF8.self) }
        case .reply(let reply):
          found.withLock { $0 += String(decoding: reply.body, as: UTF8.self) }
          ended.signal()
        case .end: ended.signal()
        }
      }
    }
    if let reply { throw Refused(document: try json(String(decoding: reply.body, as: UTF8.self))) }
    ended.wait()
    let events = found.withLock { $0 }.components(separatedBy: "\n\n")
    guard events.last == "", events.allSatisfy({ $0.isEmpty || $0.hasPrefix("data: ") }) else {
      throw Refused(document: .string(events.joined(separator: "|")))
    }
    return events.dropLast().map { String($0.dropFirst("data: ".count)) }
  }

  func reply(_ body: String, to target: String = "/v1/completions") throws -> (status: Int, body: JSONValue) {
    let reply = try some(replies([body], to: target).first)
    return (reply.status, try json(String(decoding: reply.body, as: UTF8.self)))
  }

  /// The choices of an answer that is one.
  func choices(_ body: String) throws -> [JSONValue] {
    let (status, document) = try reply(body)
    guard status == 200 else { throw Refused(document: document) }
    return try some(document["choices"]?.array)
  }
}

struct Refused: Error {
  let document: JSONValue
}
