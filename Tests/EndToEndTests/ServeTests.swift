import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// `serve` and its clients, good and bad.
  @Suite(.serialized) struct ServeTests {
    private let workspace: Workspace

    init() throws { workspace = try Workspace("llama3-gqa") }

    /// Runs a server as long as `body` takes, and ends it as Ctrl-C does.
    private func serving(_ more: [String] = [], _ body: (_ port: Int, RunningTool) throws -> Void) throws {
      let source = more.contains("--study") ? [] : ["--model", "model"]
      let tool = try RunningTool(["serve", "--port", "0"] + source + more, in: workspace)
      defer { tool.send(SIGKILL) }
      var port: Int?
      tool.wait {
        port = tool.output.components(separatedBy: "http://127.0.0.1:").dropFirst().first
          .flatMap { $0.hasSuffix("\n") ? Int($0.prefix(while: \.isNumber)) : nil }
        return port != nil
      }
      try body(#require(port, "\(tool.errors)"), tool)
      #expect(tool.isRunning)
      tool.send(SIGINT)
      let outcome = try tool.finish()
      #expect(outcome.code == 0 && outcome.errors.hasSuffix("ending\n"), "\(outcome)")
    }

    private func post(_ body: String, port: Int, to path: String = "/v1/completions") throws -> (
      status: Int, document: [String: Any]
    ) {
      let client = try #require(RawClient(port: port))
      client.post(body, to: path)
      let (status, _, text) = client.answer()
      return (status, try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)"))
    }

    private func text(_ document: [String: Any]) -> String? {
      ((document["choices"] as? [[String: Any]])?.first)?["text"] as? String
    }

    private static let good = #"{"model": "model", "prompt": "The lamp", "max_tokens": 8, "temperature": 0}"#

    /// The same text as `generate` writes; several requests over one connection.
    @Test func aCheckpointIsServed() throws {
      let generate = ["generate", "--model", "model", "--prompt", "The lamp", "--tokens", "8", "--temperature", "0"]
      let written = try workspace.run(generate).expectSuccess().output
      try serving { port, _ in
        let client = try #require(RawClient(port: port))
        for _ in 0..<3 {
          client.post(Self.good)
          let (status, head, body) = client.answer()
          let document = try #require(JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
          #expect(status == 200 && head.contains("application/json"))
          #expect("The lamp" + (text(document) ?? "") + "\n" == written)
        }
        // Two at once: the second waits for the answer of the first.
        client.post(Self.good)
        client.send("GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n")
        #expect(client.answer().status == 200)
        #expect(client.answer().body.contains(#""id":"model""#))
      }
    }

    /// A point of a study is what its export would be.
    @Test func aStudysPointIsServed() throws {
      try workspace.run(Workspace.search()).expectSuccess()
      let export = ["export", "results/study", "--format", "hf", "--output", "out", "--dtype", "f32"]
      try workspace.run(export).expectSuccess()
      let request = #"{"prompt": "The lamp was lit", "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": true}"#
      func likelihoods(_ more: [String]) throws -> [Double] {
        var found: [Double] = []
        try serving(more) { port, _ in
          let choices = try post(request, port: port).document["choices"] as? [[String: Any]]
          let told = choices?.first?["logprobs"] as? [String: Any]
          found = (told?["token_logprobs"] as? [Any] ?? []).compactMap { $0 as? Double }
        }
        return found
      }
      let point = try likelihoods(["--study", "results/study"])
      let exported = try likelihoods(["--model", "out"])
      let dense = try likelihoods(["--model", "model"])
      #expect(point.count > 4 && point.count == exported.count)
      #expect(zip(point, exported).allSatisfy { abs($0 - $1) < 1e-4 }, "\(point) \(exported)")
      #expect(zip(point, dense).contains { abs($0 - $1) > 1e-3 })
    }

    /// Whatever a hundred clients do, each gets a clear answer or its end, and the next is served.
    @Test func badClientsDoNoHarm() throws {
      try serving { port, tool in
        let before = try #require(tool.residentBytes)
        let kinds = 7
        let statuses = Slots(count: 105)
        DispatchQueue.concurrentPerform(iterations: statuses.count) { number in
          guard let client = RawClient(port: port) else { return }
          switch number % kinds {
          case 0: client.post(Self.good)
          case 1: client.post("{\"prompt\": \"The lamp")
          case 2: client.post(String(repeating: "[", count: 100_000))
          case 3: client.send("POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nab")
          case 4: client.send("\u{1}\u{2}nonsense\r\n\r\n")
          case 5:
            // Gone before the answer.
            client.post(#"{"prompt": "The lamp", "max_tokens": 200}"#)
            return statuses.set(number, -1)
          default:
            let line = "X-Long: \(String(repeating: "x", count: 9000))\r\n"
            client.post(Self.good, more: String(repeating: line, count: 20))
          }
          statuses.set(number, client.answer().status)
        }
        let expected = [[200, 503], [400], [400], [413], [400], [-1], [431, 0]]
        for number in 0..<statuses.count {
          #expect(expected[number % kinds].contains(statuses[number]), "\(number % kinds): \(statuses[number])")
        }
        #expect(try post(Self.good, port: port).status == 200)
        let after = try #require(tool.residentBytes)
        #expect(after - before < 200 << 20, "\(before) \(after)")
      }
    }

    /// A body without an announced length is counted as it comes.
    @Test func endlessBodiesEnd() throws {
      try serving { port, _ in
        let client = try #require(RawClient(port: port))
        client.send("POST /v1/completions HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        let chunk = "40000\r\n" + String(repeating: " ", count: 0x40000) + "\r\n"
        for _ in 0..<12 { client.send(chunk) }
        client.send("0\r\n\r\n")
        let (status, head, body) = client.answer()
        #expect(status == 413 && head.lowercased().contains("connection: close") && body.contains("2097152"))
      }
    }

    @Test func whatIsWrongIsSaid() throws {
      try serving { port, _ in
        let wrong = try post(#"{"prompt": "a", "best_of": 4}"#, port: port)
        let error = try #require(wrong.document["error"] as? [String: Any])
        #expect(wrong.status == 400 && error["param"] as? String == "best_of")
        #expect(error["type"] as? String == "invalid_request_error" && error["message"] is String)
        #expect(try post("{}", port: port, to: "/v1/chat/completions").status == 404)
        let client = try #require(RawClient(port: port))
        client.send("GET /v1/completions HTTP/1.1\r\nHost: here\r\n\r\n")
        let (status, head, _) = client.answer()
        #expect(status == 405 && head.contains("Allow: POST"))
        try workspace.expectFailure(["serve", "--model", "model", "--port", "\(port)"], "\(port)", "in use")
      }
      for host in ["no host", "192.0.2.1"] {
        let command = ["serve", "--model", "model", "--port", "0", "--host", host]
        try workspace.expectFailure(command, host, "127.0.0.1 or ::1 for programs on it")
      }
      for name in ["a\nb", "a\u{1B}[1mb"] {
        let command = ["serve", "--model", "model", "--name", name]
        try workspace.expectFailure(command, "a line break or a control character", code: 64)
      }
      try workspace.expectFailure(["serve"], "--model or --study", code: 64)
      try workspace.expectFailure(["serve", "--model", "model", "--point", "best"], "--study", code: 64)
      try workspace.expectFailure(["serve", "--model", "model", "--port", "70000"], "--port", code: 64)
      try workspace.expectFailure(["serve", "--model", "nowhere"], "nowhere")
      try workspace.expectFailure(["serve", "--study", "nowhere"], "no study")
    }

    /// A request that is being computed does not keep the program.
    @Test func endsWhileItComputes() throws {
      try serving { port, _ in
        let client = try #require(RawClient(port: port))
        client.post(#"{"prompt": "The lamp", "max_tokens": 200}"#)
        let slow = try #require(RawClient(port: port))
        slow.send("POST /v1/comp")
      }
    }
  }
}

/// A number for each client, written by different threads.
private final class Slots: @unchecked Sendable {
  private let lock = NSLock()
  private var values: [Int]
  let count: Int

  init(count: Int) { (self.count, values) = (count, Array(repeating: -2, count: count)) }

  func set(_ place: Int, _ value: Int) { lock.withLock { values[place] = value } }

  subscript(place: Int) -> Int { lock.withLock { values[place] } }
}
