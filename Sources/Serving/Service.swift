import Checkpoints
import Foundation
import LanguageModels
import Tokenizers

/// What is served where: finds what a request asks for, and answers it or has the model's worker do so.
struct Service: Sendable {
  enum Route: Sendable {
    case completions, tokenize, detokenize, models, health, tokenizerInfo
    case model(String)

    /// - Parameter target: as the request's first line has it.
    init?(_ target: String) {
      switch target.prefix(while: { $0 != "?" }) {
      case "/v1/completions": self = .completions
      case "/tokenize": self = .tokenize
      case "/detokenize": self = .detokenize
      case "/tokenizer_info": self = .tokenizerInfo
      case "/v1/models": self = .models
      case "/health": self = .health
      case let path where path.hasPrefix("/v1/models/"): self = .model(String(path.dropFirst("/v1/models/".count)))
      default: return nil
      }
    }

    var method: String {
      switch self {
      case .completions, .tokenize, .detokenize: "POST"
      case .models, .model, .health, .tokenizerInfo: "GET"
      }
    }
  }

  let name: String
  let limits: ServingLimits
  private let tokenizer: Tokenizer
  private let context: Int
  private let vocabulary: Int
  private let worker: ModelWorker
  private let began = Date()

  /// - Throws: `TokenizerError` for a model without a tokenizer.
  init(_ model: LanguageModel, name: String, _ limits: ServingLimits) throws {
    (self.name, self.limits) = (name, limits)
    tokenizer = try model.tokenizer()
    (context, vocabulary) = (model.configuration.longestContext, model.configuration.vocabularySize)
    worker = ModelWorker(Completer(model, tokenizer, name: name, limits), limits)
  }

  func stop() { worker.stop() }

  /// - Throws: `RequestProblem` where nothing is, or another method is to be used.
  func route(method: String, target: String) throws(RequestProblem) -> Route {
    guard let route = Route(target) else {
      throw RequestProblem(
        404, .notFound,
        "nothing is at '\(target.prefix(100))'; there are POST /v1/completions, GET /v1/models and GET /health")
    }
    guard route.method == method else {
      throw RequestProblem(405, .invalid, "\(target.prefix(100)) is asked by \(route.method), not \(method.prefix(20))")
    }
    return route
  }

  /// Answers now, or has it done.
  ///
  /// - Parameters:
  ///   - body: of the request.
  ///   - deliver: called with the answer or its parts, on any thread, where a job is returned.
  /// - Returns: the job that was given to the worker, or the answer.
  func answer(
    _ route: Route, body: UnsafeRawBufferPointer, deliver: @escaping @Sendable (Delivery) -> Void
  ) -> (job: Job?, reply: Reply?) {
    do throws(RequestProblem) {
      if let document = try document(route) { return (nil, Reply(document)) }
      let job = Job(try work(route, body), deliver: deliver)
      try worker.submit(job)
      return (job, nil)
    } catch {
      return (nil, Reply(error, retrySeconds: limits.retrySeconds))
    }
  }

  /// What needs no worker.
  private func document(_ route: Route) throws(RequestProblem) -> JSONValue? {
    switch route {
    case .completions, .tokenize, .detokenize: return nil
    case .health: return ["status": "ok", "waiting": .integer(worker.waiting)]
    case .models: return ["object": "list", "data": [model]]
    case .model(let wanted):
      guard wanted.removingPercentEncoding == name else {
        throw RequestProblem(
          404, .notFound, "there is no model '\(wanted.prefix(200))'; the one that is served is '\(name)'",
          code: "model_not_found")
      }
      return model
    case .tokenizerInfo:
      func text(_ token: Int32?) -> JSONValue {
        token.flatMap { tokenizer.token(for: $0) }.map { .string($0) } ?? .null
      }
      return [
        "eos_token": text(tokenizer.eosToken), "bos_token": text(tokenizer.bosToken),
        "pad_token": text(tokenizer.paddingToken), "model_max_length": .integer(context),
        "chat_template": tokenizer.chatTemplate.map { .string($0) } ?? .null,
      ]
    }
  }

  private var model: JSONValue {
    [
      "id": .string(name), "object": "model", "created": .integer(Int(began.timeIntervalSince1970)),
      "owned_by": "nas-search", "max_model_len": .integer(context),
    ]
  }

  private func work(_ route: Route, _ body: UnsafeRawBufferPointer) throws(RequestProblem) -> Job.Work {
    let value: JSONValue
    do {
      value = try JSONValue.parse(body, file: "the body", dialect: .wholeCharacters)
    } catch {
      throw .invalid(nil, "\(error)")
    }
    switch route {
    case .tokenize:
      let fields = try RequestFields(value)
      try fields.refuse(except: ["model", "prompt", "add_special_tokens"])
      try fields.checkModel(name)
      return .tokens(of: try fields.text("prompt"), addSpecialTokens: try fields.bool("add_special_tokens") ?? true)
    case .detokenize:
      let fields = try RequestFields(value)
      try fields.refuse(except: ["model", "tokens"])
      try fields.checkModel(name)
      let tokens = try fields.tokens("tokens")
      if let token = tokens.first(where: { Int($0) >= vocabulary }) {
        throw .invalid("tokens", "token \(token) is none of the model's \(vocabulary)")
      }
      return .text(of: tokens)
    default: return .completion(try CompletionRequest(value, model: name, limits: limits))
    }
  }
}
