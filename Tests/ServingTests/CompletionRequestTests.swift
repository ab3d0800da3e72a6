import Checkpoints
import Testing

@testable import Serving

@Suite struct CompletionRequestTests {
  private func request(_ text: String) throws -> CompletionRequest {
    try CompletionRequest(json(text), model: "tiny")
  }

  private func problem(_ text: String, _ limits: ServingLimits = .standard) throws -> RequestProblem {
    let body = try json(text)
    do throws(RequestProblem) {
      _ = try CompletionRequest(body, model: "tiny", limits: limits)
    } catch {
      return error
    }
    throw Missing()
  }

  @Test func whatIsMissingIsTheProtocols() throws {
    let found = try request(#"{"prompt": "So", "model": "tiny", "user": "me", "n": 1, "stop": null, "logit_bias": {}}"#)
    var expected = CompletionRequest([.text("So")])
    (expected.most, expected.temperature, expected.topP) = (16, 1, 1)
    #expect(found == expected)
    #expect(found.seed == nil && found.alternatives == nil && !found.repeatsPrompt && found.stops.isEmpty)
  }

  @Test func whatTheHarnessSends() throws {
    let found = try request(
      """
      {"model": "tiny", "prompt": [[3, 4], [5]], "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true}
      """)
    var expected = CompletionRequest([.tokens([3, 4]), .tokens([5])])
    (expected.most, expected.temperature, expected.seed) = (1, 0, 1234)
    (expected.alternatives, expected.repeatsPrompt) = (1, true)
    #expect(found == expected)
    let written = try request(
      #"{"model": "tiny", "prompt": ["So", "The"], "max_tokens": 256, "temperature": 0, "stop": ["Q:", "\n"], "seed": -1}"#
    )
    #expect(written.prompts == [.text("So"), .text("The")] && written.stops == ["Q:", "\n"])
    #expect(written.seed == .max)
  }

  @Test func choicesAndStreams() throws {
    let found = try request(
      #"{"prompt": "So", "n": 3, "best_of": 3, "stream": true, "stream_options": {"include_usage": true}}"#)
    #expect(found.choices == 3 && found.isStreamed && found.tellsUsage)
    #expect(try !request(#"{"prompt": "So", "stream": true}"#).tellsUsage)
  }

  @Test func formsOfPrompts() throws {
    #expect(try request(#"{"prompt": [3, 4]}"#).prompts == [.tokens([3, 4])])
    #expect(try request(#"{"prompt": ["So", [5]]}"#).prompts == [.text("So"), .tokens([5])])
    #expect(try request(#"{"prompt": "So", "stop": ""}"#).stops.isEmpty)
  }

  @Test(arguments: [
    ("[]", nil, "not an object"), ("{}", "prompt", "missing"), (#"{"prompt": null}"#, "prompt", "missing"),
    (#"{"prompt": 3}"#, "prompt", "list of either"), (#"{"prompt": []}"#, "prompt", "empty list"),
    (#"{"prompt": [3, "So"]}"#, "prompt", "no id"), (#"{"prompt": [-1]}"#, "prompt", "no id"),
    (#"{"prompt": [[99999999999]]}"#, "prompt", "no id"), (#"{"prompt": [{}]}"#, "prompt", "list of either"),
    (#"{"prompt": "So", "max_tokens": -1}"#, "max_tokens", "0 to"),
    (#"{"prompt": "So", "max_tokens": "9"}"#, "max_tokens", "not an integer"),
    (#"{"prompt": "So", "max_tokens": 0}"#, "max_tokens", "echo"),
    (#"{"prompt": "So", "temperature": -0.5}"#, "temperature", "0 to 100"),
    (#"{"prompt": "So", "top_p": 0}"#, "top_p", "above 0"), (#"{"prompt": "So", "top_p": 1.5}"#, "top_p", "0 to 1"),
    (#"{"prompt": "So", "seed": 1.5}"#, "seed", "not an integer"),
    (#"{"prompt": "So", "seed": 9223372036854775808}"#, "seed", "-9223372036854775808 to 9223372036854775807"),
    (#"{"prompt": "So", "logprobs": 21}"#, "logprobs", "0 to 20"),
    (#"{"prompt": "So", "logprobs": true}"#, "logprobs", "not an integer"),
    (#"{"prompt": "So", "echo": 1}"#, "echo", "true or false"), (#"{"prompt": "So", "stop": [1]}"#, "stop", "list"),
    (#"{"prompt": "So", "best_of": 2}"#, "best_of", "only what 'n' is, 1"), (#"{"prompt": "So", "n": 0}"#, "n", "1 to"),
    (#"{"prompt": ["So", "The"], "n": 65}"#, "n", "more than 128 choices"),
    (#"{"prompt": "So", "suffix": "x"}"#, "suffix", "only null"),
    (#"{"prompt": "So", "stream": 1}"#, "stream", "true or false"),
    (#"{"prompt": "So", "stream_options": {}}"#, "stream_options", "goes with 'stream'"),
    (#"{"prompt": "So", "stream": true, "stream_options": 1}"#, "stream_options", "'stream_options' is the integer 1"),
    (#"{"prompt": "So", "stream": true, "stream_options": {"every": 1}}"#, "stream_options", "field 'every'"),
    (#"{"prompt": "So", "logit_bias": {"3": 1}}"#, "logit_bias", "only {}"),
    (#"{"prompt": "So", "presence_penalty": 0.1}"#, "presence_penalty", "only 0"),
    (#"{"prompt": "So", "frequency_penalty": 1}"#, "frequency_penalty", "only 0"),
    (#"{"prompt": "So", "top_k": 3}"#, "top_k", "not supported"),
    (#"{"prompt": "So", "top_k": null}"#, "top_k", "not supported"),
  ])
  func whatIsWrongIsRefused(_ body: String, field: String?, words: String) throws {
    let found = try problem(body)
    #expect(found.status == 400 && found.field == field && found.kind == .invalid, "\(found)")
    #expect(found.message.contains(words), "\(found)")
    #expect(found.body["error"]?["param"] == (field.map { .string($0) } ?? .null))
  }

  @Test func anotherModelIsNotThere() throws {
    let found = try problem(#"{"prompt": "So", "model": "large"}"#)
    #expect(found.status == 404 && found.code == "model_not_found" && found.message.contains("'tiny'"))
  }

  @Test func listsHaveLimits() throws {
    var limits = ServingLimits.standard
    (limits.prompts, limits.stops) = (2, 1)
    #expect(try problem(#"{"prompt": ["a", "b", "c"]}"#, limits).field == "prompt")
    #expect(try problem(#"{"prompt": "a", "stop": ["b", "c"]}"#, limits).field == "stop")
  }
}
