import Checkpoints
import Foundation
import LanguageModels

/// What a client asks of the completions protocol.
public struct CompletionRequest: Sendable, Equatable {
  public enum Prompt: Sendable, Equatable {
    case text(String)
    case tokens([Int32])
  }

  public var prompts: [Prompt]
  /// Choices of the answer for each prompt.
  public var choices = 1
  /// Largest number of tokens behind each prompt.
  public var most = 16
  public var temperature: Float = 1
  public var topP: Float = 1
  /// Seed of the draws; `nil` for another one every time.
  public var seed: UInt64?
  /// Texts before which a completion ends.
  public var stops: [String] = []
  /// Whether the answer begins with the prompt.
  public var repeatsPrompt = false
  /// Likely tokens that are told of at every place; `nil` tells no log-probabilities at all.
  public var alternatives: Int?
  /// Whether choices are told while they are written.
  public var isStreamed = false
  /// Whether a stream ends with the numbers of its tokens.
  public var tellsUsage = false

  public init(_ prompts: [Prompt]) { self.prompts = prompts }

  /// Reads a request. What would change its result and is not there is refused, never ignored.
  ///
  /// - Parameter model: name of the model that is served.
  /// - Throws: `RequestProblem` with the field that is wrong.
  public init(_ body: JSONValue, model: String, limits: ServingLimits = .standard) throws(RequestProblem) {
    let fields = try RequestFields(body)
    try fields.refuse(except: Self.known)
    try fields.checkModel(model)
    prompts = try fields.prompts(limits)
    choices = try fields.choices(of: prompts.count, limits)
    most = try fields.integer("max_tokens", in: 0...limits.tokens) ?? most
    temperature = try fields.number("temperature", from: 0, through: 100) ?? temperature
    topP = try fields.number("top_p", from: 0, through: 1) ?? topP
    if topP == 0 { throw .invalid("top_p", "'top_p' is above 0 and at most 1") }
    seed = try fields.integer("seed", in: .min ... .max).map { UInt64(bitPattern: Int64($0)) }
    stops = try fields.stops(limits)
    repeatsPrompt = try fields.bool("echo") ?? false
    alternatives = try fields.integer("logprobs", in: 0...limits.alternatives)
    if most == 0, !repeatsPrompt {
      throw .invalid("max_tokens", "with 'max_tokens' 0 and without 'echo' nothing is asked for")
    }
    isStreamed = try fields.bool("stream") ?? false
    tellsUsage = try fields.tellsUsage(isStreamed: isStreamed)
    try fields.checkOnlyDefaults()
  }

  private static let known: Set<String> = [
    "model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "echo", "logprobs", "user", "n", "best_of",
    "suffix", "stream", "stream_options", "presence_penalty", "frequency_penalty", "logit_bias",
  ]
}

/// The fields of a request's body. A field that is `null` counts as missing.
struct RequestFields {
  private let members: [String: JSONValue]

  init(_ body: JSONValue, called name: String = "the body") throws(RequestProblem) {
    guard let members = body.object else { throw .invalid(nil, "\(name) is \(body.summary), not an object") }
    self.members = members
  }

  subscript(name: String) -> JSONValue? { members[name] == .null ? nil : members[name] }

  func refuse(except known: Set<String>) throws(RequestProblem) {
    guard let unknown = members.keys.sorted().first(where: { !known.contains($0) }) else { return }
    throw .invalid(
      String(unknown.prefix(64)),
      "'\(unknown.prefix(64))' is not supported; the fields are \(known.sorted().joined(separator: ", "))")
  }

  func checkModel(_ name: String) throws(RequestProblem) {
    guard let given = self["model"] else { return }
    guard let text = given.string else { throw .invalid("model", "'model' is \(given.summary), not a text") }
    if text == name { return }
    throw RequestProblem(
      404, .notFound, "there is no model '\(text.prefix(200))'; the one that is served is '\(name)'", field: "model",
      code: "model_not_found")
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(RequestProblem) -> Int? {
    guard let value = self[name] else { return nil }
    guard let number = value.integer else {
      // Whole numbers of more than 64 bits are none of Swift's.
      if let wide = value.double, wide.magnitude >= 0x1p63 {
        throw .invalid(name, "'\(name)' is \(value.summary); it is \(range.lowerBound) to \(range.upperBound)")
      }
      throw .invalid(name, "'\(name)' is \(value.summary), not an integer")
    }
    guard range.contains(number) else {
      throw .invalid(name, "'\(name)' is \(number); it is \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ name: String, from least: Double, through most: Double) throws(RequestProblem) -> Float? {
    guard let value = self[name] else { return nil }
    guard let number = value.double else { throw .invalid(name, "'\(name)' is \(value.summary), not a number") }
    guard least <= number, number <= most else {
      throw .invalid(name, "'\(name)' is \(number); it is \(Int(least)) to \(Int(most))")
    }
    return Float(number)
  }

  func bool(_ name: String) throws(RequestProblem) -> Bool? {
    guard let value = self[name] else { return nil }
    guard let found = value.bool else { throw .invalid(name, "'\(name)' is \(value.summary), not true or false") }
    return found
  }

  func text(_ name: String) throws(RequestProblem) -> String {
    guard let value = self[name] else { throw .invalid(name, "'\(name)' is missing") }
    guard let text = value.string else { throw .invalid(name, "'\(name)' is \(value.summary), not a text") }
    return text
  }

  /// A list of token ids.
  func tokens(_ name: String) throws(RequestProblem) -> [Int32] {
    guard let value = self[name] else { throw .invalid(name, "'\(name)' is missing") }
    guard let list = value.array else { throw .invalid(name, "'\(name)' is \(value.summary), not a list of tokens") }
    return try Self.tokens(list, of: name)
  }

  private static func tokens(_ list: [JSONValue], of name: String) throws(RequestProblem) -> [Int32] {
    var tokens: [Int32] = []
    tokens.reserveCapacity(list.count)
    for value in list {
      guard let id = value.integer.flatMap(Int32.init(exactly:)), id >= 0 else {
        throw .invalid(name, "'\(name)' has \(value.summary) among its tokens, which is no id")
      }
      tokens.append(id)
    }
    return tokens
  }

  func prompts(_ limits: ServingLimits) throws(RequestProblem) -> [CompletionRequest.Prompt] {
    guard let value = self["prompt"] else { throw .invalid("prompt", "'prompt' is missing") }
    if let text = value.string { return [.text(text)] }
    let forms = "it is a text, a list of token ids, or a list of either"
    guard let list = value.array else { throw .invalid("prompt", "'prompt' is \(value.summary); \(forms)") }
    guard let first = list.first else { throw .invalid("prompt", "'prompt' is an empty list") }
    if first.integer != nil { return [.tokens(try Self.tokens(list, of: "prompt"))] }
    guard list.count <= limits.prompts else {
      throw .invalid("prompt", "'prompt' has \(list.count) prompts; a request has at most \(limits.prompts)")
    }
    var prompts: [CompletionRequest.Prompt] = []
    for value in list {
      if let text = value.string {
        prompts.append(.text(text))
      } else if let ids = value.array {
        prompts.append(.tokens(try Self.tokens(ids, of: "prompt")))
      } else {
        throw .invalid("prompt", "'prompt' has \(value.summary) in its list; \(forms)")
      }
    }
    return prompts
  }

  /// Choices for each of some prompts.
  func choices(of prompts: Int, _ limits: ServingLimits) throws(RequestProblem) -> Int {
    let choices = try integer("n", in: 1...limits.prompts) ?? 1
    guard choices * prompts <= limits.prompts else {
      throw .invalid("n", "'n' \(choices) of \(prompts) prompts make more than \(limits.prompts) choices in one answer")
    }
    // More would be written than are told.
    if let best = try integer("best_of", in: 1...limits.prompts), best != choices {
      throw .invalid("best_of", "'best_of' is \(best); only what 'n' is, \(choices), is supported")
    }
    return choices
  }

  func tellsUsage(isStreamed: Bool) throws(RequestProblem) -> Bool {
    guard let options = self["stream_options"] else { return false }
    guard isStreamed else { throw .invalid("stream_options", "'stream_options' goes with 'stream' true") }
    do {
      let fields = try RequestFields(options, called: "'stream_options'")
      try fields.refuse(except: ["include_usage"])
      return try fields.bool("include_usage") ?? false
    } catch {
      let place = error.field.map { "in 'stream_options', field '\($0)': " } ?? ""
      throw .invalid("stream_options", place + error.message)
    }
  }

  func stops(_ limits: ServingLimits) throws(RequestProblem) -> [String] {
    guard let value = self["stop"] else { return [] }
    if let text = value.string { return text.isEmpty ? [] : [text] }
    guard let list = value.array else { throw .invalid("stop", "'stop' is \(value.summary), not a text or a list") }
    guard list.count <= limits.stops else {
      throw .invalid("stop", "'stop' has \(list.count) texts; at most \(limits.stops) end a completion")
    }
    var stops: [String] = []
    for value in list {
      guard let text = value.string else { throw .invalid("stop", "'stop' has \(value.summary) in its list") }
      if !text.isEmpty { stops.append(text) }
    }
    return stops
  }

  /// Fields of the protocol for which only what they are without being given is there.
  func checkOnlyDefaults() throws(RequestProblem) {
    let defaults: [(name: String, isDefault: (JSONValue) -> Bool, only: String)] = [
      ("suffix", { $0.string == "" }, "null"),
      ("presence_penalty", { $0.double == 0 }, "0"), ("frequency_penalty", { $0.double == 0 }, "0"),
      ("logit_bias", { $0.object?.isEmpty == true }, "{}"),
    ]
    for field in defaults {
      guard let value = self[field.name], !field.isDefault(value) else { continue }
      throw .invalid(field.name, "'\(field.name)' is \(value.summary); only \(field.only) is supported")
    }
  }
}
