import Checkpoints
import Foundation
import LanguageModels
import Testing
import Tokenizers

@testable import Serving

@Suite struct ServiceTests {
  /// The log-probabilities of every next token, by one pass over the tokens alone.
  private func expected(_ tokens: [Int32], _ model: LanguageModel) throws -> [[Double]] {
    let hidden = try ForwardPass(TokenWindows([tokens])).hiddenStates(of: model)
    let logits = try OutputHead(model).logits(hidden)
    return tokens.indices.map { place in
      let row = (0..<logits.columns).map { Double(logits[place, $0]) }
      let peak = row.max() ?? 0
      let normaliser = peak + log(row.reduce(0) { $0 + exp($1 - peak) })
      return row.map { $0 - normaliser }
    }
  }

  /// Log-probabilities of prompts and of what follows are those of a pass over all tokens.
  @Test(arguments: ["llama3-gqa", "gemma2-caps", "mistral-gqa"])
  func logProbabilitiesAreThoseOfWholePasses(_ name: String) throws {
    let model = try Fixtures.model(name)
    let asked = try Asked(model)
    defer { asked.service.stop() }
    let tokenizer = try model.tokenizer()
    let prompts = ["The lamp was lit and", "The lamp was out", "So"].map {
      tokenizer.encode($0, addSpecialTokens: true)
    }
    for most in [1, 4] {
      let ids = prompts.map { $0.map(Int.init) }
      let choices = try asked.choices(
        #"{"prompt": \#(ids), "max_tokens": \#(most), "temperature": 0, "echo": true, "logprobs": 2}"#)
      #expect(choices.map { $0["index"]?.integer } == [0, 1, 2])
      for (prompt, choice) in zip(prompts, choices) {
        let told = try some(choice["logprobs"])
        let found = try some(told["token_logprobs"]?.array)
        let tops = try some(told["top_logprobs"]?.array)
        #expect(found.count == prompt.count + most && tops.count == found.count)
        #expect(found[0] == .null && tops[0] == .null)
        var tokens = prompt
        for _ in 0..<most {
          let row = try some(expected(tokens, model).last)
          tokens.append(Int32(try some(row.indices.max { row[$0] < row[$1] })))
        }
        let rows = try expected(tokens, model)
        for place in 1..<found.count {
          let value = try some(found[place].double)
          #expect(abs(value - rows[place - 1][Int(tokens[place])]) < 1e-4)
          let best = try some(tops[place].object?.values.compactMap(\.double).max())
          #expect(abs(best - (rows[place - 1].max() ?? 0)) < 1e-4)
          if place >= prompt.count { #expect(value == best) }
        }
      }
    }
  }

  /// What requests wait with changes nothing.
  @Test func requestsThatWaitTogether() throws {
    let asked = try Asked(Fixtures.model())
    defer { asked.service.stop() }
    let bodies = [
      #"{"prompt": "The lamp was", "max_tokens": 1, "echo": true, "logprobs": 1, "temperature": 0}"#,
      #"{"prompt": "The lamp was lit", "max_tokens": 6, "temperature": 1.3, "seed": 5, "logprobs": 0}"#,
      #"{"prompt": ["So", "The"], "max_tokens": 9, "temperature": 2, "seed": 6}"#, #"{"prompt": 3}"#,
      #"{"prompt": "The keeper", "max_tokens": 0, "echo": true}"#,
    ]
    let together = try asked.replies(bodies)
    #expect(together.map(\.status) == [200, 200, 200, 400, 200])
    for (body, reply) in zip(bodies, together) {
      let other = try json(String(decoding: reply.body, as: UTF8.self))
      let alone = try asked.reply(body).body
      #expect(alone["choices"]?.array?.map { $0["text"] } == other["choices"]?.array?.map { $0["text"] })
      #expect(alone["usage"] == other["usage"])
    }
  }

  @Test func seedsDecideDraws() throws {
    let asked = try Asked(Fixtures.model())
    defer { asked.service.stop() }
    func text(_ seed: String, _ more: String = "") throws -> [String?] {
      try asked.choices(#"{"prompt": ["So", "So"], "max_tokens": 20, "temperature": 1.5, "seed": \#(seed)\#(more)}"#)
        .map { $0["text"]?.string }
    }
    let first = try text("7")
    #expect(try text("7") == first)
    #expect(try text("7", #", "logprobs": 3"#) == first)
    #expect(try text("8") != first)
    // Each prompt draws its own numbers.
    #expect(first[0] != first[1])
    #expect(try text("null") != text("null"))
  }

  @Test func textsEndBeforeStops() throws {
    let asked = try Asked(Fixtures.model())
    defer { asked.service.stop() }
    func choice(_ more: String) throws -> JSONValue {
      try some(asked.choices(#"{"prompt": "The lamp was", "max_tokens": 20, "temperature": 0\#(more)}"#).first)
    }
    let whole = try choice("")
    let text = try some(whole["text"]?.string)
    #expect(whole["finish_reason"]?.string == "length" && text.unicodeScalars.count > 6)
    let stop = String(try some(text.unicodeScalars.dropFirst(5).first))
    let cut = try choice(#", "stop": [\#(JSONValue.string(stop).compact), "never"]"#)
    #expect(cut["finish_reason"]?.string == "stop")
    #expect(cut["text"]?.string == text.components(separatedBy: stop)[0])
    let echoed = try choice(#", "echo": true"#)
    #expect(echoed["text"]?.string == "The lamp was" + text)
  }

  /// Places and texts of tokens put the text together again.
  @Test(arguments: ["llama3-gqa", "mistral-gqa", "llama-mha"])
  func tokensHavePlaces(_ name: String) throws {
    let model = try Fixtures.model(name)
    let asked = try Asked(model)
    defer { asked.service.stop() }
    let prompt = "The café's lamp, 灯, was lit"
    let choice = try some(
      asked.choices(#"{"prompt": "\#(prompt)", "max_tokens": 0, "echo": true, "logprobs": 0}"#).first)
    #expect(choice["text"]?.string == prompt)
    let told = try some(choice["logprobs"])
    let tokens = try some(told["tokens"]?.array?.map { $0.string ?? "" })
    let places = try some(told["text_offset"]?.array?.map { $0.integer ?? -1 })
    let hidden = try model.tokenizer().prefix.count
    #expect(places.count == tokens.count && places == places.sorted())
    let scalars = Array(prompt.unicodeScalars)
    for number in hidden..<tokens.count where !tokens[number].hasPrefix("bytes:") {
      let end = number + 1 < places.count ? places[number + 1] : scalars.count
      var own = String(String.UnicodeScalarView(scalars[places[number]..<end]))
      // A decoder may put a space before a text, or drop it.
      if number == hidden, tokens[number].hasPrefix(" "), !own.hasPrefix(" ") { own = " " + own }
      #expect(own == tokens[number], "\(tokens) \(places)")
    }
  }

  @Test func promptsMustFit() throws {
    let model = try Fixtures.model()
    var limits = ServingLimits.standard
    limits.logProbabilities = 40
    let asked = try Asked(model, limits: limits)
    defer { asked.service.stop() }
    let context = model.configuration.longestContext
    func refusal(_ body: String) throws -> JSONValue {
      let (status, document) = try asked.reply(body)
      #expect(status == 400)
      return try some(document["error"])
    }
    let long = try refusal(#"{"prompt": "So", "max_tokens": \#(context)}"#)
    #expect(long["code"]?.string == "context_length_exceeded")
    #expect(long["message"]?.string?.contains("\(context)") == true)
    let strange = try refusal(#"{"prompt": [\#(model.configuration.vocabularySize)], "max_tokens": 1}"#)
    #expect(strange["message"]?.string?.contains("none of the model's") == true)
    #expect(try refusal(#"{"prompt": [[]], "max_tokens": 1}"#)["message"]?.string?.contains("no tokens") == true)
    let many = try refusal(#"{"prompt": "So", "max_tokens": 20, "logprobs": 5}"#)
    #expect(many["param"]?.string == "logprobs")
  }

  /// Half of a surrogate pair is no character, and a model is asked for none that was put in its place.
  @Test func halvesOfCharactersAreRefused() throws {
    let asked = try Asked(Fixtures.model())
    defer { asked.service.stop() }
    for text in [#"So \ud800"#, #"\udc00 So"#, #"\ud83d\u0041"#] {
      let reply = try asked.reply(#"{"prompt": "\#(text)", "max_tokens": 1}"#)
      let message = reply.body["error"]?["message"]?.string
      #expect(reply.status == 400 && message?.contains("half of a surrogate pair at byte") == true, "\(reply)")
    }
    #expect(try asked.reply(#"{"prompt": "So \ud83d\ude00", "max_tokens": 1}"#).status == 200)
  }

  @Test func whatIsNotServedIsNotThere() throws {
    let asked = try Asked(Fixtures.model())
    defer { asked.service.stop() }
    #expect(throws: RequestProblem.self) { _ = try asked.service.route(method: "GET", target: "/v1/chat/completions") }
    do throws(RequestProblem) { _ = try asked.service.route(method: "GET", target: "/v1/completions") } catch {
      #expect(error.status == 405)
    }
  }

  /// What a client needs who has no tokenizer of the model.
  @Test func tokensAndTextsOfOthers() throws {
    let model = try Fixtures.model()
    let tokenizer = try model.tokenizer()
    let asked = try Asked(model)
    defer { asked.service.stop() }
    let expected = tokenizer.encode("The lamp", addSpecialTokens: false)
    let found = try asked.reply(#"{"prompt": "The lamp", "add_special_tokens": false}"#, to: "/tokenize").body
    #expect(found["tokens"] == .integers(expected.map { Int($0) }) && found["count"]?.integer == expected.count)
    let text = try asked.reply(#"{"tokens": \#(expected.map { Int($0) })}"#, to: "/detokenize").body
    #expect(text["prompt"]?.string == "The lamp")
    let vocabulary = model.configuration.vocabularySize
    let beyond = try asked.reply(#"{"tokens": [5, \#(vocabulary)]}"#, to: "/detokenize")
    #expect(beyond.status == 400 && beyond.body["error"]?["param"]?.string == "tokens")
  }

  @Test func aFullQueueRefuses() throws {
    var limits = ServingLimits.standard
    (limits.waiting, limits.retrySeconds) = (0, 9)
    let asked = try Asked(Fixtures.model(), limits: limits)
    let reply = try some(asked.replies([#"{"prompt": "So"}"#]).first)
    #expect(reply.status == 503 && reply.headers.contains { $0.name == "Retry-After" && $0.value == "9" })
    asked.service.stop()
    let late = try asked.reply(#"{"prompt": "So"}"#)
    #expect(late.status == 503 && late.body["error"]?["code"]?.string == "shutting_down")
  }
}
